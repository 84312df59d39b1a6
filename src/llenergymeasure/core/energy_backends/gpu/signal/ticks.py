"""When a register of the device stepped, as seen by somebody who keeps reading it.

   old   old     new   new
----|-----|-------|-----|---->  t       the step lies between the last read of the old value
          [ tick  ]                     and the first of the new one
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from llenergymeasure.core.energy_backends.gpu.signal.reads import Floats, Ints

SHARP_NS = 1_000_000
"""A step seen this sharply puts 1 J at 700 W; a busy machine may need another try."""

# Two steps may hide in a stretch of half their distance; one this wide holds a single step.
_SINGLE = 0.4

# Following the beat costs microseconds a step; a window with so many does not need it.
_FOLLOWED = 50_000


@dataclass(frozen=True)
class Tick:
    """One step of a counter, or the last of several between two reads.

    Attributes:
        earliest_ns: When the last read of the old value began.
        latest_ns: When the first read of the new value had ended.
        value_mj: The counter from then on.
    """

    earliest_ns: int
    latest_ns: int
    value_mj: int

    @property
    def at_ns(self) -> int:
        """Middle of the stretch in which it must have happened."""
        return (self.earliest_ns + self.latest_ns) // 2

    @property
    def slack_ns(self) -> int:
        """Half of that stretch."""
        return (self.latest_ns - self.earliest_ns + 1) // 2

    @property
    def sharp(self) -> bool:
        """It was seen well enough to open or to end a window."""
        return self.slack_ns <= SHARP_NS


def sharpest(steps: Iterable[Tick]) -> Tick | None:
    """The first of these steps that was seen sharply; else the sharpest; None without any."""
    steps = list(steps)
    sharp = [tick for tick in steps if tick.sharp]
    return sharp[0] if sharp else min(steps, key=lambda tick: tick.slack_ns, default=None)


@dataclass(frozen=True)
class Period:
    """How often a register is updated, in ns.

    Attributes:
        period_ns: From one update to the next.
        jitter_ns: How far one update may lie off the beat.
        error_ns: How far the period itself may be off.
    """

    period_ns: int
    jitter_ns: int = 0
    error_ns: float = 0.0

    def spread_ns(self, periods: int) -> int:
        """How far two updates that lie so many periods apart can be off that distance."""
        return 2 * self.jitter_ns + int(abs(periods) * self.error_ns)

    def sharpen(self, length_ns: float, blur_ns: float) -> Period:
        """Sharpened by the distance of two steps, if it is plain how many periods that is."""
        count = max(round(length_ns / self.period_ns), 1)
        off_ns = abs(length_ns - count * self.period_ns)
        room_ns = blur_ns + self.spread_ns(count)
        error_ns = (blur_ns + 2 * self.jitter_ns) / count
        if off_ns > room_ns or room_ns > self.period_ns / 4 or error_ns >= self.error_ns:
            return self
        return Period(round(length_ns / count), self.jitter_ns, error_ns)


def stretches(before_ns: Ints, after_ns: Ints, changed: Ints) -> tuple[Ints, Ints]:
    """Between which times a register was updated whose value changed after these reads, in ns."""
    return before_ns[changed], after_ns[changed + 1]


def update_period(earliest_ns: Ints, latest_ns: Ints) -> Period | None:
    """The period of a register from all of its steps in order; None where they do not tell it.

    Only the distance of two steps in a row tells it, both seen well: where a step was blurred,
    others may hide in it. Steps that are further apart then make it precise.
    """
    at_ns, slack_ns = (earliest_ns + latest_ns) / 2, (latest_ns - earliest_ns) / 2
    apart_ns, blur_ns = np.diff(at_ns), slack_ns[1:] + slack_ns[:-1]
    widest_ns = 2 * np.maximum(slack_ns[1:], slack_ns[:-1])
    told = np.flatnonzero(widest_ns <= np.maximum(2.0 * SHARP_NS, _SINGLE * apart_ns))
    if len(told) < 2:
        return None
    period = _common(apart_ns[told], blur_ns[told])
    sharp = np.union1d(told, told + 1)
    since_ns, blurs_ns = (
        at_ns[sharp[1:]] - at_ns[sharp[0]],
        slack_ns[sharp[1:]] + slack_ns[sharp[0]],
    )
    for length_ns, blur in zip(since_ns.tolist(), blurs_ns.tolist(), strict=True):
        period = period.sharpen(length_ns, blur)
    return period


def _common(apart_ns: Floats, blur_ns: Floats) -> Period:
    """The period that explains these distances, each known to within a blur."""
    usual_ns = float(np.median(apart_ns))
    # A register that shows the same twice seems to leave out a step.
    periods = np.maximum(np.rint(apart_ns / usual_ns), 1)
    low_ns = float(np.max((apart_ns - blur_ns) / periods))
    high_ns = float(np.min((apart_ns + blur_ns) / periods))
    if low_ns <= high_ns:
        return Period(round((low_ns + high_ns) / 2), 0, (high_ns - low_ns) / 2)
    off_ns = np.abs(apart_ns / periods - usual_ns)
    return Period(round(usual_ns), round(float(off_ns.max())), float(np.median(off_ns)))


def on_the_beat(earliest_ns: Ints, latest_ns: Ints, period: Period) -> tuple[Ints, Ints]:
    """Between which times each update was, if they keep their beat; never outside its stretch.

    Each stretch narrows down where the updates before and after it can be.
    """
    if not 0 < len(earliest_ns) <= _FOLLOWED:
        return earliest_ns, latest_ns
    raw = list(zip(earliest_ns.tolist(), latest_ns.tolist(), strict=True))
    ahead = np.array(_follow(raw, period), dtype=np.int64)
    back = np.array(_follow(raw[::-1], period)[::-1], dtype=np.int64)
    early_ns = np.maximum(ahead[:, 0], back[:, 0])
    late_ns = np.minimum(ahead[:, 1], back[:, 1])
    agree = early_ns <= late_ns
    return np.where(agree, early_ns, earliest_ns), np.where(agree, late_ns, latest_ns)


def _follow(raw: list[tuple[int, int]], period: Period) -> list[tuple[int, int]]:
    """Stretches in one direction of time, each narrowed by the ones before it."""
    every_ns = period.period_ns
    beat = raw[0]
    narrowed = []
    for early_ns, late_ns in raw:
        spread_ns = period.spread_ns((early_ns - beat[0]) // every_ns)
        first = -((beat[1] + spread_ns - early_ns) // every_ns)
        last = (late_ns - beat[0] + spread_ns) // every_ns
        seen = early_ns, late_ns
        if first <= last:
            seen = (
                max(early_ns, beat[0] + first * every_ns - spread_ns),
                min(late_ns, beat[1] + last * every_ns + spread_ns),
            )
        narrowed.append(seen)
        # Several updates fit into a long stretch, which then says less than the beat so far.
        if first >= last or seen[1] - seen[0] < beat[1] - beat[0]:
            beat = seen
    return narrowed
