"""What one device said during one window, and the times at which the window begins and ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llenergymeasure.core.energy_backends.clock import MonotonicClock
from llenergymeasure.core.energy_backends.observations import ABSENT, Observations
from llenergymeasure.core.energy_backends.power_integral import PowerSensor
from llenergymeasure.core.energy_backends.ticks import (
    Period,
    Tick,
    change_times,
    update_period,
)

# Noise makes power change at every update; a load that shows none may hide any period up to this.
SLOWEST_UPDATE_NS = 100_000_000

# A step seen this sharply puts 1 J at 700 W; a busy machine may need another try.
SHARP_NS = 1_000_000

_STEPS_KEPT = 32


def sharpest(steps: Iterable[Tick]) -> Tick | None:
    """The first of these steps that was seen sharply; else the sharpest; None without any."""
    steps = list(steps)
    sharp = [tick for tick in steps if tick.slack_ns <= SHARP_NS]
    return sharp[0] if sharp else min(steps, key=lambda tick: tick.slack_ns, default=None)


class SensorError(Exception):
    """A device's value could not be read.

    Attributes:
        lost: The device itself is gone; without it, the next read may work again.
    """

    def __init__(self, message: str, *, lost: bool) -> None:
        super().__init__(message)
        self.lost = lost


class Sensor(Protocol):
    """A device that can be read (attributes as in ``nvml_devices.NvmlDevice``)."""

    has_counter: bool
    power_source: str | None
    power_averaging_ns: int
    lost: str | None

    def counter_mj(self) -> int:
        """Energy since some time, in mJ; raises SensorError."""
        ...

    def power_mw(self) -> int:
        """Power in mW; raises SensorError."""
        ...


@dataclass(frozen=True)
class Rhythm:
    """How often a device's registers are updated, as seen; None where that could not be seen."""

    counter: Period | None = None
    power: Period | None = None

    def power_sensor(self, averaging_ns: int) -> PowerSensor:
        """The power sensor, taken to be slow where its updates were not seen."""
        if self.power is None or self.power.period_ns > SLOWEST_UPDATE_NS:
            return PowerSensor(SLOWEST_UPDATE_NS, averaging_ns, regular=False)
        return PowerSensor(self.power.period_ns, averaging_ns)


class DeviceTrack:
    """Collects samples; may be called from several threads.

    Args:
        sensor: The device.
        rhythm: What is known of its registers.
        now_ns: The clock.
    """

    def __init__(self, sensor: Sensor, rhythm: Rhythm, now_ns: MonotonicClock) -> None:
        self.sensor = sensor
        self.rhythm = rhythm
        self.seen = Observations()
        self.lost = sensor.lost
        self.misses = 0
        self.start: Tick | None = None
        self.start_ns = 0
        self.end_ns = 0
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._last: tuple[int, int] | None = None
        self._recent: deque[Tick] = deque(maxlen=_STEPS_KEPT)

    def observe(self) -> int:
        """Read the device once; returns when the read began."""
        with self._lock:
            before_ns = self._now_ns()
            counter_mj = self._read_counter()
            between_ns = self._now_ns()
            power_mw = self._read_power()
            self.seen.append(before_ns, counter_mj, between_ns, power_mw, self._now_ns())
            self._note_step(before_ns, counter_mj, between_ns)
            return before_ns

    def open(self) -> None:
        """Begin the window at the last step that was seen sharply, else now."""
        self.start = sharpest(reversed(self._recent))
        self.start_ns = self.start.at_ns if self.start else self._now_ns()

    def close(self) -> None:
        """End the window with a read."""
        self.end_ns = self.observe()

    def steps_since(self, since_ns: int) -> list[Tick]:
        """The latest steps of the counter that lie between two reads after a time."""
        return [tick for tick in self._recent if tick.at_ns - tick.slack_ns >= since_ns]

    def observed_rhythm(self) -> Rhythm:
        """How often the registers were updated while this was watching closely.

        Only updates that were seen sharply count: somebody else may have held the processor.
        """
        steps = [tick.at_ns for tick in self._recent if tick.slack_ns <= SHARP_NS]
        power = self.seen.power()
        return Rhythm(
            counter=update_period(np.array(steps, dtype=np.int64)),
            power=update_period(change_times(power.times_ns, power.power_w, 2 * SHARP_NS)),
        )

    def _note_step(self, before_ns: int, counter_mj: int, after_ns: int) -> None:
        if counter_mj == ABSENT:
            return
        if self._last is not None and counter_mj != self._last[1]:
            self._recent.append(Tick.between(self._last[0], after_ns, counter_mj))
        self._last = (before_ns, counter_mj)

    def _read_counter(self) -> int:
        if self.lost is not None or not self.sensor.has_counter:
            return ABSENT
        try:
            return self.sensor.counter_mj()
        except SensorError as error:
            self._failed(error)
            return ABSENT

    def _read_power(self) -> int:
        if self.lost is not None or self.sensor.power_source is None:
            return ABSENT
        try:
            return self.sensor.power_mw()
        except SensorError as error:
            self._failed(error)
            return ABSENT

    def _failed(self, error: SensorError) -> None:
        self.misses += 1
        if error.lost:
            self.lost = str(error)
