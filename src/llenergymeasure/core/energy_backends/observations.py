"""What was read from one device during one window: compact, in order of time.

A read of the counter lies between two times; that of power follows it at once:

    before_ns | counter | between_ns | power | after_ns
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ABSENT = -1
"""Stands for a value that could not be read: neither counter nor power is ever negative."""


class Observations:
    """Growing columns; 40 bytes a sample, so that a day at 50 Hz stays below 200 MB."""

    def __init__(self) -> None:
        self._columns = tuple(array("q") for _ in range(5))

    def append(
        self, before_ns: int, counter_mj: int, between_ns: int, power_mw: int, after_ns: int
    ) -> None:
        """Add one sample; a value that is not there is ``ABSENT``."""
        row = (before_ns, counter_mj, between_ns, power_mw, after_ns)
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(self._columns[0])

    def counter(self, since_ns: int = 0) -> CounterReads:
        """The counter's reads that began at or after ``since_ns``."""
        before_ns, counter_mj, between_ns = (self._column(i) for i in range(3))
        there = (counter_mj != ABSENT) & (before_ns >= since_ns)
        return CounterReads(before_ns[there], between_ns[there], counter_mj[there])

    def power(self) -> PowerReads:
        """All reads of power, each at the middle of its call."""
        between_ns, power_mw, after_ns = (self._column(i) for i in range(2, 5))
        there = power_mw != ABSENT
        times_ns = (between_ns[there] + after_ns[there]) // 2
        return PowerReads(times_ns, power_mw[there] / 1e3)

    def _column(self, index: int) -> Ints:
        # A copy: an array that numpy looks into cannot grow.
        return np.array(self._columns[index], dtype=np.int64)


@dataclass(frozen=True)
class CounterReads:
    """Reads of a counter in mJ; each was made between ``before_ns`` and ``after_ns``."""

    before_ns: Ints
    after_ns: Ints
    values_mj: Ints

    def __len__(self) -> int:
        return len(self.values_mj)


@dataclass(frozen=True)
class PowerReads:
    """Reads of power in W at monotonic times in ns."""

    times_ns: Ints
    power_w: Floats

    def __len__(self) -> int:
        return len(self.times_ns)

    def between(self, start_ns: int, end_ns: int) -> PowerReads:
        """The reads of a stretch of time, both ends included."""
        inside = (self.times_ns >= start_ns) & (self.times_ns <= end_ns)
        return PowerReads(self.times_ns[inside], self.power_w[inside])
