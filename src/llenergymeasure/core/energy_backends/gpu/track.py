"""What one device said during one window, and the times at which the window begins and ends."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llenergymeasure.core.energy_backends.gpu.signal.power_changes import (
    SLOWEST_UPDATE_NS,
    PowerSensor,
)
from llenergymeasure.core.energy_backends.gpu.signal.reads import ABSENT, Observations
from llenergymeasure.core.energy_backends.gpu.signal.ticks import (
    SHARP_NS,
    Period,
    Tick,
    sharpest,
    stretches,
    update_period,
)
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock

_STEPS_KEPT = 32

# Reads that lie further apart than this do not show a step well, whatever else was had.
_FINE_NS = 10_000_000

# The closing read of a busy machine may take long; the window then ends with a later one.
_CLOSING_READS = 5


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
        """The power sensor; changes that come slowly or irregularly are the load's, not its."""
        beat = self.power
        if beat is not None and (
            beat.period_ns > SLOWEST_UPDATE_NS * 1.1 or beat.jitter_ns > beat.period_ns / 10
        ):
            beat = None
        return PowerSensor(beat, averaging_ns)


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
        self._finest_ns = _FINE_NS
        self._counter_took_ns = 0
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
            self._counter_took_ns = between_ns - before_ns
            self._note_step(before_ns, counter_mj, between_ns)
            return before_ns

    def open(self) -> None:
        """Begin the window at the last step that was seen sharply, else now."""
        self.start = sharpest(reversed(self._recent))
        if self.start is not None:
            self.start_ns = self.start.at_ns
        else:
            # Power alone is read at both ends too.
            self.start_ns = self._now_ns() if self.sensor.has_counter else self.observe()

    def close(self) -> None:
        """End the window with a read, and that with one that took no longer than it should."""
        for _ in range(_CLOSING_READS):
            self.end_ns = self.observe()
            if self._counter_took_ns <= SHARP_NS:
                return

    def seen_well(self, step: Tick) -> bool:
        """Whether a step is sharp, or as good as it gets: several devices take turns."""
        return step.sharp or 2 * step.slack_ns <= 1.5 * self._finest_ns

    def steps_since(self, since_ns: int) -> list[Tick]:
        """The latest steps of the counter that lie between two reads after a time."""
        return [tick for tick in self._recent if tick.earliest_ns >= since_ns]

    def observed_rhythm(self) -> Rhythm:
        """How often the registers were updated while this was watching closely."""
        counter, power = self.seen.counter(), self.seen.power()
        stepped = np.flatnonzero(np.diff(counter.values_mj))
        changed = np.flatnonzero(np.diff(power.power_w))
        return Rhythm(
            counter=update_period(*stretches(counter.before_ns, counter.after_ns, stepped)),
            power=update_period(*stretches(power.before_ns, power.after_ns, changed)),
        )

    def _note_step(self, before_ns: int, counter_mj: int, after_ns: int) -> None:
        if counter_mj == ABSENT:
            return
        if self._last is not None:
            last_ns, last_mj = self._last
            self._finest_ns = min(self._finest_ns, after_ns - last_ns)
            if counter_mj != last_mj:
                self._recent.append(Tick(last_ns, after_ns, counter_mj))
        self._last = (before_ns, counter_mj)

    def _read_counter(self) -> int:
        if self.lost is not None or not self.sensor.has_counter:
            return ABSENT
        try:
            return self.sensor.counter_mj()
        except SensorError as error:
            self._note_failure(error)
            return ABSENT

    def _read_power(self) -> int:
        if self.lost is not None or self.sensor.power_source is None:
            return ABSENT
        try:
            return self.sensor.power_mw()
        except SensorError as error:
            self._note_failure(error)
            return ABSENT

    def _note_failure(self, error: SensorError) -> None:
        self.misses += 1
        if error.lost:
            self.lost = str(error)
