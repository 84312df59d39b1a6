"""Joules from reads of power, and how wrong they can be.

A sensor shows the power of its last update. On average that is half an update old, so a window
[start, end] is integrated over the reads of [start + half, end + half]. Where two neighbouring
reads differ, the change may have happened anywhere between them or in the update before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llenergymeasure.core.energy_backends.observations import PowerReads
from llenergymeasure.core.energy_backends.ticks import on_the_beat

# NVML tells whole milliwatts, and cuts off what is below.
_RESOLUTION_W = 0.001


@dataclass(frozen=True)
class PowerSensor:
    """How a power reading comes about.

    Attributes:
        update_ns: Time between two updates.
        averaging_ns: Length of the trailing average that it shows; 0 for a momentary value.
        regular: The time between updates was seen, not assumed.
    """

    update_ns: int
    averaging_ns: int = 0
    regular: bool = True

    @property
    def delay_ns(self) -> int:
        """How old a reading is on average."""
        return (self.update_ns + self.averaging_ns) // 2


@dataclass(frozen=True)
class Integral:
    """Energy of a window.

    Attributes:
        joules: The integral.
        uncertainty_j: What changes between reads can amount to, all in the same direction.
        samples: Reads that lie within.
        longest_gap_ns: Longest time without a read, the window's ends included.
    """

    joules: float
    uncertainty_j: float
    samples: int
    longest_gap_ns: int


def integrate(
    reads: PowerReads, start_ns: int, end_ns: int, sensor: PowerSensor
) -> Integral | None:
    """Integrate power over a window; None where there are fewer than two reads."""
    if len(reads) < 2 or end_ns <= start_ns:
        return None
    first_ns, last_ns = start_ns + sensor.delay_ns, end_ns + sensor.delay_ns
    return Integral(
        joules=_staircase_j(reads, first_ns, last_ns, sensor),
        uncertainty_j=_unresolved_j(reads, start_ns, last_ns, sensor),
        samples=len(reads.between(start_ns, end_ns)),
        longest_gap_ns=_longest_gap_ns(reads, start_ns, end_ns),
    )


def _staircase_j(reads: PowerReads, first_ns: int, last_ns: int, sensor: PowerSensor) -> float:
    """Energy of a power that holds from each change that was seen to the next."""
    changed = np.flatnonzero(np.diff(reads.power_w)) + 1
    earliest_ns, latest_ns = reads.times_ns[changed - 1], reads.times_ns[changed]
    at_ns = (
        on_the_beat(earliest_ns, latest_ns, sensor.update_ns)
        if sensor.regular
        else (earliest_ns + latest_ns) // 2
    )
    edges_ns = np.clip(np.concatenate(([first_ns], at_ns, [last_ns])), first_ns, last_ns)
    levels_w = np.concatenate((reads.power_w[:1], reads.power_w[changed]))
    return float(np.sum(levels_w * np.diff(edges_ns)) / 1e9)


def _unresolved_j(reads: PowerReads, start_ns: int, last_ns: int, sensor: PowerSensor) -> float:
    """Every change is misplaced by up to half of the time in which it can have happened.

    A load in step with the sensor misplaces all of them alike, so they are not averaged.
    """
    around = reads.between(start_ns - sensor.update_ns, last_ns + sensor.update_ns)
    if len(around) < 2:
        return float("inf")
    steps_w = np.abs(np.diff(around.power_w))
    room_s = (np.diff(around.times_ns) + sensor.update_ns) / 1e9
    misplaced_j = float(np.sum(steps_w * room_s) / 2)
    # An average says how much, not when: what it shows at an end may lie on either side of it.
    length_s = (last_ns - sensor.delay_ns - start_ns) / 1e9
    ends_w = float(around.power_w[0] + around.power_w[-1])
    hidden_j = ends_w / 2 * sensor.averaging_ns / 1e9
    return misplaced_j + hidden_j + _RESOLUTION_W * length_s


def _longest_gap_ns(reads: PowerReads, start_ns: int, end_ns: int) -> int:
    inside = reads.between(start_ns, end_ns).times_ns
    return int(np.max(np.diff(np.concatenate(([start_ns], inside, [end_ns])))))
