"""When a register of the device stepped, as seen by somebody who keeps reading it.

   old   old     new   new
----|-----|-------|-----|---->  t       the step lies between the last read of the old value
          [ tick  ]                     and the first of the new one
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llenergymeasure.core.energy_backends.observations import Floats, Ints


@dataclass(frozen=True)
class Tick:
    """One step of a counter.

    Attributes:
        at_ns: Middle of the stretch in which it must have happened.
        slack_ns: Half of that stretch.
        value_mj: The counter from then on.
    """

    at_ns: int
    slack_ns: int
    value_mj: int

    @classmethod
    def between(cls, earliest_ns: int, latest_ns: int, value_mj: int) -> Tick:
        """The step between the last read of the old value and the first of the new one."""
        return cls(
            at_ns=(earliest_ns + latest_ns) // 2,
            slack_ns=(latest_ns - earliest_ns + 1) // 2,
            value_mj=value_mj,
        )


@dataclass(frozen=True)
class Period:
    """How often a register is updated, in ns; ``jitter_ns`` is half the spread of what was seen."""

    period_ns: int
    jitter_ns: int


def update_period(step_times_ns: Ints) -> Period | None:
    """The usual distance of steps; None with fewer than three of them.

    The median, so that neither a step that was overlooked nor a late read matters.
    """
    if len(step_times_ns) < 3:
        return None
    gaps_ns = np.diff(step_times_ns)
    low, middle, high = np.quantile(gaps_ns, (0.25, 0.5, 0.75))
    return Period(period_ns=int(middle), jitter_ns=int((high - low) / 2))


def change_times(times_ns: Ints, values: Floats, within_ns: int) -> Ints:
    """When a value that is read again and again was first seen changed, in ns.

    Changes between two reads that lie further apart than ``within_ns`` are left out.
    """
    sharp = (np.diff(values) != 0) & (np.diff(times_ns) <= within_ns)
    changed = np.flatnonzero(sharp) + 1
    return (times_ns[changed - 1] + times_ns[changed]) // 2


def on_the_beat(earliest_ns: Ints, latest_ns: Ints, update_ns: int) -> Ints:
    """Where in its stretch each update was, if they keep their distance; never outside of it.

    The stretches are followed one after another, in either direction of time; each narrows down
    where the next update is expected.
    """
    beat_ns = (int(earliest_ns[0]) + int(latest_ns[0])) // 2 if len(earliest_ns) else 0
    at_ns = []
    for early_ns, late_ns in zip(earliest_ns.tolist(), latest_ns.tolist(), strict=True):
        periods = round(((early_ns + late_ns) // 2 - beat_ns) / update_ns)
        beat_ns = min(max(beat_ns + periods * update_ns, early_ns), late_ns)
        at_ns.append(beat_ns)
    return np.array(at_ns, dtype=np.int64)
