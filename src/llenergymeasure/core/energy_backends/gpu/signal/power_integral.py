"""Joules from reads of power, and how wrong they can be.

A reading is half an update old on average, so each change of power is put so much before it was
seen. It can have been elsewhere in its room (``power_changes``), and where the reads lie further
apart than the sensor's updates, power can have come and gone unseen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llenergymeasure.core.energy_backends.gpu.signal.power_changes import (
    Changes,
    PowerSensor,
    hidden_ns,
    hidden_w,
)
from llenergymeasure.core.energy_backends.gpu.signal.reads import PowerReads

# NVML tells whole milliwatts, and cuts off what is below.
_RESOLUTION_W = 0.001


@dataclass(frozen=True)
class Integral:
    """Energy of a window.

    Attributes:
        joules: The integral.
        uncertainty_j: What sampling leaves open, everything taken to err in the same direction.
        scatter_j: The same, if what went unseen had nothing to do with when it was not looked.
        samples: Reads that lie within.
        longest_gap_ns: Longest time without a read, the window's ends included.
    """

    joules: float
    uncertainty_j: float
    scatter_j: float
    samples: int
    longest_gap_ns: int


def integrate(
    reads: PowerReads, start_ns: int, end_ns: int, sensor: PowerSensor
) -> Integral | None:
    """Integrate power over a window, the last level held to its end.

    None where power was read less than twice, where the window is empty, and where it begins after
    the last read: nothing is known of that time.
    """
    if len(reads) < 2 or end_ns <= start_ns:
        return None
    around = reads.around(start_ns, end_ns + sensor.update_ns + sensor.averaging_ns)
    if len(around) < 2:
        return None
    changes = Changes.from_reads(around, sensor)
    open_j = _misplaced_j(changes.between(start_ns, end_ns), start_ns, end_ns)
    open_j += _averaged_j(around, sensor) + _RESOLUTION_W * (end_ns - start_ns) / 1e9
    open_j += _beyond_j(around, start_ns, end_ns)
    hidden_j = hidden_w(around) * hidden_ns(around, sensor, start_ns, end_ns) / 1e9
    all_j, some_j = float(hidden_j.sum()), 2.0 * float(np.sqrt(np.sum(hidden_j**2)))
    return Integral(
        joules=_staircase_j(changes, start_ns, end_ns),
        uncertainty_j=open_j + all_j,
        scatter_j=open_j + min(all_j, some_j),
        samples=len(reads.between(start_ns, end_ns)),
        longest_gap_ns=longest_gap_ns(around.times_ns, start_ns, end_ns),
    )


def longest_gap_ns(times_ns: np.ndarray, start_ns: int, end_ns: int) -> int:
    """The longest time without a read within a window."""
    inside = times_ns[(times_ns >= start_ns) & (times_ns <= end_ns)]
    return int(np.max(np.diff(np.concatenate(([start_ns], inside, [end_ns])))))


def _staircase_j(changes: Changes, start_ns: int, end_ns: int) -> float:
    """Energy of a power that holds from each change to the next."""
    edges_ns = np.concatenate(([start_ns], changes.likely_ns, [end_ns]))
    lengths_ns = np.diff(np.clip(edges_ns, start_ns, end_ns))
    return float(np.sum(changes.levels_w * lengths_ns) / 1e9)


def _misplaced_j(changes: Changes, start_ns: int, end_ns: int) -> float:
    """What the changes can be off by within the window.

    A load in step with the sensor misplaces all of them alike, so they are not averaged.
    """
    likely_ns, earliest_ns, latest_ns = (
        np.clip(times_ns, start_ns, end_ns)
        for times_ns in (changes.likely_ns, changes.earliest_ns, changes.latest_ns)
    )
    room_ns = np.maximum(likely_ns - earliest_ns, latest_ns - likely_ns)
    return float(np.sum(np.abs(changes.steps_w) * room_ns) / 1e9)


def _beyond_j(reads: PowerReads, start_ns: int, end_ns: int) -> float:
    """What may have come and gone before the first read, and after the last one."""
    before_ns = max(min(int(reads.before_ns[0]), end_ns) - start_ns, 0)
    after_ns = max(end_ns - max(int(reads.after_ns[-1]), start_ns), 0)
    lowest_w, highest_w = float(reads.power_w.min()), float(reads.power_w.max())

    def off_w(level_w: float) -> float:
        return max(highest_w - level_w, level_w - lowest_w)

    first_w, last_w = off_w(float(reads.power_w[0])), off_w(float(reads.power_w[-1]))
    return (first_w * before_ns + last_w * after_ns) / 1e9


def _averaged_j(reads: PowerReads, sensor: PowerSensor) -> float:
    """What an average hides at the window's ends: it says how much, not when."""
    ends_w = float(reads.power_w[0] + reads.power_w[-1])
    return ends_w / 2 * sensor.averaging_ns / 1e9
