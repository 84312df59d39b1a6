"""What was read from one device during one window: compact, in order of time.

A read of the counter lies between two times; that of power follows it at once:

    before_ns | counter | between_ns | power | after_ns

On a busy machine two of these times can lie far apart. When in between the register was looked
at is not known, so both are kept.
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

_COLUMNS = 5


class Observations:
    """Growing rows; 40 bytes a sample, so that a day at 50 Hz stays below 200 MB."""

    def __init__(self) -> None:
        self._rows = array("q")

    def append(
        self, before_ns: int, counter_mj: int, between_ns: int, power_mw: int, after_ns: int
    ) -> None:
        """Add one sample; a value that is not there is ``ABSENT``."""
        self._rows.extend((before_ns, counter_mj, between_ns, power_mw, after_ns))

    def __len__(self) -> int:
        return len(self._rows) // _COLUMNS

    def counter(self, since_ns: int = 0) -> CounterReads:
        """The counter's reads that began at or after ``since_ns``."""
        before_ns, counter_mj, between_ns = self._columns()[:3]
        there = (counter_mj != ABSENT) & (before_ns >= since_ns)
        return CounterReads(before_ns[there], between_ns[there], counter_mj[there])

    def power(self) -> PowerReads:
        """All reads of power."""
        between_ns, power_mw, after_ns = self._columns()[2:]
        there = power_mw != ABSENT
        return PowerReads(between_ns[there], after_ns[there], power_mw[there] / 1e3)

    def _columns(self) -> Ints:
        # A copy: an array that numpy looks into cannot grow.
        return np.array(self._rows, dtype=np.int64).reshape(-1, _COLUMNS).T


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
    """Reads of power in W; each was made between ``before_ns`` and ``after_ns``."""

    before_ns: Ints
    after_ns: Ints
    power_w: Floats

    def __len__(self) -> int:
        return len(self.power_w)

    @property
    def times_ns(self) -> Ints:
        """The middle of each read."""
        return self.before_ns + (self.after_ns - self.before_ns) // 2

    @property
    def gaps_ns(self) -> Ints:
        """From each read to the next, at the longest."""
        return self.after_ns[1:] - self.before_ns[:-1]

    def between(self, start_ns: int, end_ns: int) -> PowerReads:
        """The reads whose middle lies in a stretch of time, both ends included."""
        return self._where((self.times_ns >= start_ns) & (self.times_ns <= end_ns))

    def around(self, start_ns: int, end_ns: int) -> PowerReads:
        """The reads of a stretch of time, with the last one before it and the first after."""
        first = int(np.searchsorted(self.after_ns, start_ns, side="left")) - 1
        last = int(np.searchsorted(self.before_ns, end_ns, side="left"))
        return self._where(slice(max(first, 0), last + 1))

    def _where(self, chosen: NDArray[np.bool_] | slice) -> PowerReads:
        return PowerReads(self.before_ns[chosen], self.after_ns[chosen], self.power_w[chosen])
