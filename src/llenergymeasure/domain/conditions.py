"""How a device fared during a window: what the sampler saw beside its joules."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from llenergymeasure.domain.base import Celsius, Count, NonNegative, Ordinal, Record, Share


class Spread(Record):
    """A quantity over the samples of a window."""

    min: float
    mean: float
    max: float
    n: Ordinal

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min > self.max:
            raise ValueError("min is above max")
        return self


def _refuse_negative(spread: Spread) -> Spread:
    if spread.min < 0:
        raise ValueError("is never negative")
    return spread


def _refuse_no_temperature(spread: Spread) -> Spread:
    for degrees in (spread.min, spread.max):
        TypeAdapter(Celsius).validate_python(degrees)
    return spread


_Amount = Annotated[Spread, AfterValidator(_refuse_negative)]
_Temperature = Annotated[Spread, AfterValidator(_refuse_no_temperature)]


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
    power_w: _Amount | None = None
    temperature_c: _Temperature | None = None
    sm_percent: _Amount | None = None
    memory_percent: _Amount | None = None
    sm_clock_mhz: _Amount | None = None
    memory_clock_mhz: _Amount | None = None
    memory_used_bytes: _Amount | None = None
    power_limit_w: NonNegative | None = None
    throttle_share: dict[str, Share] = Field(default_factory=dict)
    processes: tuple[Count, ...] | None = None
    foreign_processes: tuple[Count, ...] | None = None
