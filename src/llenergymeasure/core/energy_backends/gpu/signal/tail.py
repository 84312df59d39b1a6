"""The energy between the window's end and the counter's next step, to be taken off again.

    counter:  __|‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾|‾‾       rose by a known energy from step to step
              before    end     tick
                [ head ][ tail  ]

Power was read meanwhile. It says which levels there were, but each change only to within its room
(``power_changes``). Head and tail must add up to what the counter rose by: of all that power
leaves open, only what does so counts. What is left is the tail's interval.
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
from llenergymeasure.core.energy_backends.gpu.signal.reads import Floats, Ints, PowerReads
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Tick

_POSITIONS = 201

# Counter and power of one device differ by a little, as different filters of one sensor do.
_MISMATCH = 0.005
_NOISE_W = 0.5
_RESOLUTION_J = 0.001


@dataclass(frozen=True)
class Tail:
    """Energy from the window's end to the counter's step.

    Attributes:
        low_j: At least so much.
        high_j: At most.
        likely_j: Most likely.
        unexplained_j: What of the counter's rise power cannot explain; already in the interval.
    """

    low_j: float
    high_j: float
    likely_j: float
    unexplained_j: float = 0.0

    @property
    def uncertainty_j(self) -> float:
        """How far the truth can be from what is likely."""
        return max(self.high_j - self.likely_j, self.likely_j - self.low_j)

    def within(self, low_j: float, high_j: float) -> Tail:
        """Cut off at bounds; the bounds themselves where nothing is left of it."""
        low, high = max(self.low_j, low_j), min(self.high_j, high_j)
        if low > high:
            low, high = low_j, high_j
        return Tail(low, high, min(max(self.likely_j, low), high), self.unexplained_j)


def union(found: list[Tail]) -> Tail:
    """What those leave open together that explain the counter's rise best; at least one."""
    least_j = min(tail.unexplained_j for tail in found)
    good = [tail for tail in found if tail.unexplained_j <= least_j]
    low_j, high_j = min(tail.low_j for tail in good), max(tail.high_j for tail in good)
    return Tail(low_j, high_j, (low_j + high_j) / 2, least_j)


@dataclass(frozen=True)
class Rise:
    """What the counter did around the window's end.

    Attributes:
        end_ns: The window's end.
        tick: A step after it.
        before_ns: An earlier step; later than the end where that was read a step too late.
        joules: What the counter rose by from ``before_ns`` to the tick.
        jitter_ns: How far off ``before_ns`` can be, the tick being where it is put.
    """

    end_ns: int
    tick: Tick
    before_ns: int
    joules: float
    jitter_ns: int

    @property
    def by_rate_j(self) -> float:
        """The tail at the counter's own rate."""
        tail_ns = max(self.tick.at_ns - self.end_ns, 0)
        whole_ns = max(self.tick.at_ns - self.before_ns, tail_ns, 1)
        return self.joules * tail_ns / whole_ns


@dataclass(frozen=True)
class _Open:
    """Energies of which each is only known to lie in an interval, in J."""

    low_j: Floats | np.float64
    high_j: Floats | np.float64

    def __add__(self, more: _Open) -> _Open:
        return _Open(self.low_j + more.low_j, self.high_j + more.high_j)

    def widen(self, by_j: Floats | np.float64) -> _Open:
        return _Open(self.low_j - by_j, self.high_j + by_j)


def tail_energy(rise: Rise, reads: PowerReads, sensor: PowerSensor) -> Tail:
    """Energy of the tail by momentary power, held to the counter's rise.

    Args:
        rise: What the counter did.
        reads: Power from before the step before the end to after the tick; two reads or more.
        sensor: How these reads come about.
    """
    tick = rise.tick
    seen = Changes.from_reads(reads, sensor)
    changes = seen.between(min(rise.before_ns, rise.end_ns), tick.latest_ns)
    positions = _Positions.of(changes, rise.end_ns)
    head = positions.energy(rise.before_ns, rise.end_ns).widen(positions.grain_j)
    head += _bound_hidden(reads, sensor, rise.before_ns, rise.end_ns)
    tail = positions.energy(rise.end_ns, tick.at_ns)
    tail = tail.widen(_MISMATCH * np.abs(tail.high_j) + _noise_j(rise.end_ns, tick.at_ns))
    tail += _bound_hidden(reads, sensor, rise.end_ns, tick.at_ns)

    highest_w = float(changes.levels_w.max())
    blur_j = highest_w * (tick.slack_ns + rise.jitter_ns) / 1e9
    allowed_j = _RESOLUTION_J + _MISMATCH * rise.joules + blur_j
    allowed_j += _noise_j(rise.before_ns, rise.end_ns)
    whole = head + tail
    misfit_j = np.maximum(whole.low_j - rise.joules, rise.joules - whole.high_j)
    unexplained_j = max(float(misfit_j.min()) - allowed_j, 0.0)
    allowed_j += unexplained_j
    fits = misfit_j <= max(allowed_j, float(misfit_j.min()))
    # Where the tick was within its slack comes on top.
    edge_j = unexplained_j + highest_w * tick.slack_ns / 1e9
    low_j = np.maximum(tail.low_j, rise.joules - head.high_j - allowed_j)[fits].min() - edge_j
    high_j = np.minimum(tail.high_j, rise.joules - head.low_j + allowed_j)[fits].max() + edge_j
    return Tail(float(low_j), float(high_j), float(low_j + high_j) / 2, unexplained_j)


@dataclass(frozen=True)
class _Positions:
    """A staircase of power whose one step is put everywhere in its room, the others anywhere.

    Attributes:
        changes: All of its steps.
        swept: Which of them is put everywhere: the largest that can be in head or tail.
        at_ns: Where it is put.
        grain_j: What lies between two of these positions, at the most.
    """

    changes: Changes
    swept: Ints
    at_ns: Floats
    grain_j: np.float64

    @classmethod
    def of(cls, changes: Changes, end_ns: int) -> _Positions:
        room_ns = changes.latest_ns - changes.earliest_ns
        either = np.flatnonzero((changes.earliest_ns < end_ns) & (changes.latest_ns > end_ns))
        open_j = np.abs(changes.steps_w) * room_ns / 1e9
        swept = either[np.argsort(open_j[either])][-1:]
        shares: Floats = np.linspace(0.0, 1.0, _POSITIONS if len(swept) else 1)[:, None]
        at_ns = changes.earliest_ns[swept].astype(np.float64) + shares * room_ns[swept]
        return cls(
            changes=changes,
            swept=swept,
            at_ns=at_ns,
            grain_j=open_j[swept].sum() / (2 * (_POSITIONS - 1)),
        )

    def energy(self, from_ns: int, to_ns: int) -> _Open:
        """The energy between two times, for each position."""
        steps_w = self.changes.steps_w
        placed_j = _after(self.at_ns, from_ns, to_ns) @ steps_w[self.swept]
        placed_j += self.changes.first_w * (to_ns - from_ns) / 1e9
        others_w = np.delete(steps_w, self.swept)
        bounds_j = [
            others_w * _after(np.delete(times_ns, self.swept), from_ns, to_ns)
            for times_ns in (self.changes.earliest_ns, self.changes.latest_ns)
        ]
        return _Open(placed_j + np.minimum(*bounds_j).sum(), placed_j + np.maximum(*bounds_j).sum())


def _after(at_ns: Ints | Floats, from_ns: int, to_ns: int) -> Floats:
    """How many seconds of a stretch of time lie after each time; below 0 if it runs back."""
    after_s: Floats = (np.maximum(to_ns - at_ns, 0) - np.maximum(from_ns - at_ns, 0)) / 1e9
    return after_s


def _noise_j(start_ns: int, end_ns: int) -> float:
    return _NOISE_W * abs(end_ns - start_ns) / 1e9


def _bound_hidden(reads: PowerReads, sensor: PowerSensor, start_ns: int, end_ns: int) -> _Open:
    """What can have come and gone unseen within a part."""
    unseen_ns = hidden_ns(reads, sensor, start_ns, end_ns, few=True)
    hidden_j = np.sum(hidden_w(reads) * unseen_ns) / 1e9
    return _Open(-hidden_j, hidden_j)
