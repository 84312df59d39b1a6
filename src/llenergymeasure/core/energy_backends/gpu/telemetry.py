"""What a GPU did beside drawing power, look by look, over one window.

look()         load, memory, heat, clocks, limit, throttling       with every sample
look_around()  clocks that are set, processes on the GPU            now and then, and at the ends
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llenergymeasure.core.energy_backends.gpu.signal.reads import Floats, Ints
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock
from llenergymeasure.core.processes.ownership import ProcessTree


@dataclass(frozen=True)
class Quantity:
    """One quantity's samples; a read that failed is left out."""

    times_ns: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    def within(self, start_ns: int, end_ns: int) -> Quantity:
        """The samples of a stretch of time, both ends included."""
        inside = (self.times_ns >= start_ns) & (self.times_ns <= end_ns)
        return Quantity(self.times_ns[inside], self.values[inside])


class State(Protocol):
    """A device that can be looked at (as ``nvml_state.DeviceState``); nothing of it raises."""

    @property
    def quantities(self) -> tuple[str, ...]:
        """What ``read`` gives, in this order."""
        ...

    def read(self) -> list[float]:
        """All quantities now; NaN for one that cannot be read this time."""
        ...

    def settings(self) -> dict[str, float]:
        """Clocks that somebody set, in MHz, by their name in words."""
        ...

    def pids(self) -> tuple[int, ...] | None:
        """Processes that compute on the device; None where they cannot be listed."""
        ...

    def temperature_c(self) -> float | None:
        """Degrees Celsius; None without a sensor."""
        ...


class Telemetry:
    """Collects one device's looks; not for several threads at once.

    Args:
        state: The device.
        tree: Whose processes are ours; None where that cannot be told.
        now_ns: The clock.
    """

    def __init__(self, state: State, tree: ProcessTree | None, now_ns: MonotonicClock) -> None:
        self._state = state
        self._tree = tree
        self._now_ns = now_ns
        self._times = array("q")
        self._columns = tuple(array("d") for _ in state.quantities)
        self._settings: dict[str, list[float]] = {}
        self._pids: set[int] = set()
        self._foreign: dict[int, str] = {}
        self._listed = False

    def look(self) -> None:
        """Read the device's quantities once."""
        if not self._columns:
            return
        self._times.append(self._now_ns())
        for column, value in zip(self._columns, self._state.read(), strict=True):
            column.append(value)

    def look_around(self) -> None:
        """Read what is set and who is there."""
        for name, value in self._state.settings().items():
            seen = self._settings.setdefault(name, [])
            if not seen or seen[-1] != value:
                seen.append(value)
        pids = self._state.pids()
        if pids is None:
            return
        self._listed = True
        self._pids.update(pids)
        if self._tree is not None:
            self._foreign.update(self._tree.foreign(pids))

    def quantity(self, name: str) -> Quantity | None:
        """A quantity's samples; None if the device does not support it or no read worked."""
        if name not in self._state.quantities:
            return None
        # Copies: an array that numpy looks into cannot grow.
        values = np.array(self._columns[self._state.quantities.index(name)], dtype=np.float64)
        there = ~np.isnan(values)
        found = Quantity(np.array(self._times, dtype=np.int64)[there], values[there])
        return found if len(found) else None

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of what the device supports."""
        return self._state.quantities

    @property
    def settings(self) -> Mapping[str, list[float]]:
        """Values of each clock that is set, in MHz, one after the other; one if none changed."""
        return self._settings

    @property
    def pids(self) -> tuple[int, ...] | None:
        """All processes that were seen on the device."""
        return tuple(sorted(self._pids)) if self._listed else None

    @property
    def foreign(self) -> Mapping[int, str] | None:
        """Name of each process that is not ours; None where that cannot be told."""
        return self._foreign if self._listed and self._tree is not None else None
