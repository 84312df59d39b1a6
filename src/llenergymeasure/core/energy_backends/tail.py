"""The energy between the window's end and the counter's next step, to be taken off again.

    counter:  __|‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾|‾‾       rose by a known energy from step to step
              before    end     tick
                         [ tail ]

Power is read meanwhile. It says which levels there were, but each change only to within one
update of the sensor. The known rise narrows down when it was: of all positions of the changes
within their room, those count that give the rise. What they leave open is the uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llenergymeasure.core.energy_backends.observations import Floats, Ints, PowerReads
from llenergymeasure.core.energy_backends.power_integral import PowerSensor
from llenergymeasure.core.energy_backends.ticks import Tick, on_the_beat

_POSITIONS = np.linspace(0.0, 1.0, 201)

# Counter and power of one device differ by a little, as different filters of one sensor do.
_MISMATCH = 0.005
_COUNTER_STEP_J = 0.001


@dataclass(frozen=True)
class Tail:
    """Energy from the window's end to the counter's step.

    Attributes:
        joules: The middle of its interval.
        uncertainty_j: Half the width of the interval.
        misfit_j: What of the counter's rise the reads of power cannot explain.
    """

    joules: float
    uncertainty_j: float
    misfit_j: float = 0.0


@dataclass(frozen=True)
class Rise:
    """What the counter did around the window's end.

    Attributes:
        end_ns: The window's end.
        tick: The step after it.
        before_ns: The step before it; later than the end where that was read a step too late.
        joules: What the counter rose by from ``before_ns`` to the tick.
        jitter_ns: How far off ``before_ns`` can be.
    """

    end_ns: int
    tick: Tick
    before_ns: int
    joules: float
    jitter_ns: int


def tail_energy(rise: Rise, reads: PowerReads, sensor: PowerSensor) -> Tail:
    """Energy of the tail by momentary power, held to the counter's rise.

    Args:
        rise: What the counter did.
        reads: Momentary power from before the step before the end to after the tick.
        sensor: How these reads come about.
    """
    changes = _Changes.of(reads, rise, sensor)
    whole_j = changes.energy_j(rise.before_ns, rise.tick.at_ns)
    tail_j = changes.energy_j(rise.end_ns, rise.tick.at_ns)
    misfit_j = np.abs(whole_j - rise.joules)
    slack_s = (rise.tick.slack_ns + rise.jitter_ns) / 1e9
    allowed_j = _COUNTER_STEP_J + _MISMATCH * rise.joules + changes.highest_w * slack_s
    fits = misfit_j <= misfit_j.min() + allowed_j
    run = fits if sensor.regular else _first_run(fits)
    best_j = float(tail_j[run].min() + tail_j[run].max()) / 2
    open_j = float(np.max(np.abs(tail_j[fits] - best_j)))
    unexplained_j = max(float(misfit_j.min()) - allowed_j, 0.0)
    edge_j = changes.highest_w * rise.tick.slack_ns / 1e9
    return Tail(
        joules=max(best_j, 0.0),
        uncertainty_j=open_j + unexplained_j + changes.others_j + edge_j,
        misfit_j=float(misfit_j.min()),
    )


def _first_run(fits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The first positions that fit without a break.

    Positions count back from when a change was seen. A sensor that is only taken to be slow is
    likely quicker, and the change then later.
    """
    broken = np.cumsum(~fits & np.maximum.accumulate(fits)) > 0
    return fits & ~broken


def tail_by_rate(rise: Rise) -> Tail:
    """Energy of the tail at the counter's own rate, where power is no help: all of it is open."""
    tail_ns = max(rise.tick.at_ns - rise.end_ns, 0)
    whole_ns = max(rise.tick.at_ns - rise.before_ns, tail_ns, 1)
    joules = rise.joules * tail_ns / whole_ns
    return Tail(joules=joules, uncertainty_j=max(joules, rise.joules - joules))


@dataclass(frozen=True)
class _Changes:
    """A staircase of power whose steps can be moved, all by the same share of their room.

    Attributes:
        first_w: Level before the first change.
        latest_ns: When each change had happened at the latest.
        room_ns: How much earlier it can have been.
        steps_w: By how much power changed.
        update_ns: Time between two updates of power.
    """

    first_w: float
    latest_ns: Floats
    room_ns: Floats
    steps_w: Floats
    update_ns: int

    @classmethod
    def of(cls, reads: PowerReads, rise: Rise, sensor: PowerSensor) -> _Changes:
        """The changes that can have happened between the two steps of the counter."""
        changed = np.flatnonzero(np.diff(reads.power_w))
        latest_ns, room_ns = _seen_changed(reads, changed, sensor)
        from_ns = min(rise.before_ns, rise.end_ns)
        reaches = (latest_ns > from_ns) & (latest_ns - room_ns < rise.tick.at_ns)
        past = changed[latest_ns <= from_ns]
        return cls(
            first_w=float(reads.power_w[past[-1] + 1 if len(past) else 0]),
            latest_ns=latest_ns[reaches],
            room_ns=room_ns[reaches],
            steps_w=np.diff(reads.power_w)[changed][reaches],
            update_ns=sensor.update_ns,
        )

    def energy_j(self, start_ns: int, end_ns: int) -> Floats:
        """Energy between two times, for each common position of the changes."""
        length_ns = end_ns - start_ns
        at_ns = self.latest_ns[None, :] - _POSITIONS[:, None] * self.room_ns[None, :]
        after_ns = np.clip(end_ns - at_ns, min(length_ns, 0), max(length_ns, 0))
        return (self.first_w * length_ns + after_ns @ self.steps_w) / 1e9

    @property
    def highest_w(self) -> float:
        levels_w = self.first_w + np.concatenate(([0.0], np.cumsum(self.steps_w)))
        return float(levels_w.max())

    @property
    def others_j(self) -> float:
        """What the changes beside the largest can be off by: the rise fixes only one position."""
        if len(self.steps_w) < 2:
            return 0.0
        sizes_w = np.abs(self.steps_w)
        return float(sizes_w.sum() - sizes_w.max()) * self.update_ns / 2e9


def _seen_changed(reads: PowerReads, changed: Ints, sensor: PowerSensor) -> tuple[Floats, Floats]:
    """When each change had happened at the latest, and how much earlier it can have been, in ns.

    A change happens in the period before the update that shows it. The reads after the end are
    close, so from them back the updates between earlier reads can be told.
    """
    earliest_ns, latest_ns = reads.times_ns[changed], reads.times_ns[changed + 1]
    room_ns = np.full(len(changed), float(sensor.update_ns))
    if not sensor.regular:
        return latest_ns.astype(np.float64), latest_ns - earliest_ns + room_ns
    updates_ns = on_the_beat(earliest_ns[::-1], latest_ns[::-1], sensor.update_ns)[::-1]
    return updates_ns.astype(np.float64), room_ns
