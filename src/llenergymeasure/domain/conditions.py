"""How a device fared during a window: what the sampler saw beside its joules."""

from __future__ import annotations

from pydantic import Field

from llenergymeasure.domain.base import Record


class Spread(Record):
    """A quantity over the samples of a window."""

    min: float
    mean: float
    max: float
    n: int


class DeviceConditions(Record):
    """One device over one window. None or empty where it cannot be read.

    Attributes:
        device: As its domain is called, e.g. ``gpu:0``.
        device_id: Its UUID.
        power_w, temperature_c, sm_percent, memory_percent, sm_clock_mhz, memory_clock_mhz,
            memory_used_bytes: What the samples say, in the units of their names.
        power_limit_w: Enforced limit at the window's start.
        throttle_share: Share of the samples in which each reason held, by NVML's name.
        processes: Ids of processes that computed on the device, ours included; None where they
            cannot be listed.
        foreign_processes: Those that are not of the measured process tree; None where that cannot
            be told (another PID namespace).
    """

    device: str
    device_id: str | None = None
    power_w: Spread | None = None
    temperature_c: Spread | None = None
    sm_percent: Spread | None = None
    memory_percent: Spread | None = None
    sm_clock_mhz: Spread | None = None
    memory_clock_mhz: Spread | None = None
    memory_used_bytes: Spread | None = None
    power_limit_w: float | None = None
    throttle_share: dict[str, float] = Field(default_factory=dict)
    processes: tuple[int, ...] | None = None
    foreign_processes: tuple[int, ...] | None = None
