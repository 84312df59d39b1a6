"""An energy source on a clock of its own, whose power is whatever the test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
# How long the machine has run at time 0; a monotonic clock is never below zero.
BOOTED_S = 1e7


class VirtualTime:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.s = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.s += seconds

    def utc(self) -> datetime:
        return START + timedelta(seconds=self.s)


class IdleSource:
    """Reads domains of the given power, in W at a time in s; None is a domain without a number.

    Args:
        time: Its clock.
        powers: Of each domain by its name.
        more: Fields of a domain's reading by its name.
        replayed: As in the reading.
        lag_s: A domain's window goes on for so long after ``stop``, as that of a counter may.
    """

    def __init__(
        self,
        time: VirtualTime,
        powers: Mapping[str, Callable[[float], float] | float | None],
        *,
        more: Mapping[str, dict[str, Any]] | None = None,
        replayed: bool = False,
        lag_s: float = 0.0,
    ) -> None:
        self.time = time
        self.powers = powers
        self.more = more or {}
        self.replayed = replayed
        self.lag_s = lag_s
        self.windows = 0
        self.prepared = False
        self._start_s = 0.0

    def prepare(self) -> None:
        self.prepared = True

    def start(self) -> None:
        self.windows += 1
        self._start_s = self.time.s

    def stop(self) -> EnergyReading:
        self.time.s += self.lag_s
        start_s, end_s = self._start_s, self.time.s
        window = MeasurementWindow(
            start_monotonic_ns=round((start_s + BOOTED_S) * 1e9),
            end_monotonic_ns=round((end_s + BOOTED_S) * 1e9),
            start_utc=START + timedelta(seconds=start_s),
            duration_s=end_s - start_s,
        )
        domains = tuple(self._domain(name, window) for name in self.powers)
        return EnergyReading(backend="virtual", domains=domains, replayed=self.replayed)

    def _domain(self, name: str, window: MeasurementWindow) -> DomainReading:
        power = self.powers[name]
        middle_s = (window.start_monotonic_ns + window.end_monotonic_ns) / 2e9 - BOOTED_S
        watts = power(middle_s) if callable(power) else power
        gpu = name.startswith("gpu")
        fields: dict[str, Any] = {
            "name": name,
            "scope": EnergyScope.DEVICE if gpu else EnergyScope.MACHINE,
            "method": None if watts is None else EnergyMethod.COUNTER,
            "joules": None if watts is None else watts * window.duration_s,
            "device_id": f"GPU-{name[-1]}" if gpu else None,
            "reason": "it could not be read" if watts is None else None,
            "window": window,
        }
        return DomainReading(**{**fields, **self.more.get(name, {})})

    def close(self) -> None:
        self.prepared = False
