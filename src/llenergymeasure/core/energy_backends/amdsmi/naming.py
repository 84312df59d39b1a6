"""How an AMD GPU is named in a reading, and what is said of one without a sensor of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llenergymeasure.core.energy_backends.amdsmi.devices import AmdDevice
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyScope
from llenergymeasure.domain.validity import Reason, ReasonCode

SOURCE = "amdsmi"

_BOTH_DIES = "of both dies of the card"


class AmdState:
    """What of a GPU's state is sampled: its temperature, where it has a sensor."""

    def __init__(self, device: AmdDevice) -> None:
        self._device = device
        there = device.lost is None and device.temperature_c() is not None
        self.quantities: tuple[str, ...] = ("temperature_c",) if there else ()

    def read(self) -> list[float]:
        """All quantities now; NaN for one that cannot be read this time."""
        value = self._device.temperature_c()
        return [math.nan if value is None else value for _ in self.quantities]

    def settings(self) -> dict[str, float]:
        """Clocks that somebody set: not read."""
        return {}

    def pids(self) -> tuple[int, ...] | None:
        """Processes that compute on the GPU: not listed."""
        return None

    def temperature_c(self) -> float | None:
        """Degrees Celsius; None without a sensor."""
        return self._device.temperature_c()


def domain_of(device: AmdDevice, *, alone: bool) -> DomainReading:
    """A GPU's domain, without a number yet.

    Args:
        device: The GPU.
        alone: The GPU with the next index is not measured.
    """
    name = f"gpu:{device.index}"
    shared = Reason(
        code=ReasonCode.MIG_SHARED,
        detail=f"{name} is one of two dies with one sensor: the joules are those of both",
    )
    return DomainReading(
        name=name,
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        device_id=device.uuid or None,
        origin=_BOTH_DIES if device.reads_two else None,
        findings=(shared,) if device.reads_two and alone else (),
        source=SOURCE,
    )


def origin_of(reading: DomainReading, power_source: str | None, who: DomainReading) -> str | None:
    """The sensor that a number comes from; ``who`` is the reading without it."""
    if reading.method is None:
        return None
    counter = reading.method is EnergyMethod.COUNTER
    how = "energy counter" if counter else f"power ({power_source})"
    return ", ".join(filter(None, (f"AMD SMI {how}", who.origin)))


def without_sensor(devices: Sequence[AmdDevice]) -> list[DomainReading]:
    """GPUs whose energy another one tells: no loss if that one is measured, else a fault."""
    measured = {device.index for device in devices if not device.silent}
    return [
        _second_die(device, device.die_of, expected=device.die_of not in measured)
        for device in devices
        if device.die_of is not None
    ]


def _second_die(device: AmdDevice, first: int, *, expected: bool) -> DomainReading:
    name = f"gpu:{device.index}"
    detail = f"{name} has no sensor of its own: gpu:{first} on the same card reads both"
    code = ReasonCode.SENSOR_UNSUPPORTED
    return DomainReading(
        name=name,
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        device_id=device.uuid or None,
        expected=expected,
        reason=detail,
        findings=(Reason(code=code, detail=detail),) if expected else (),
        source=SOURCE,
    )
