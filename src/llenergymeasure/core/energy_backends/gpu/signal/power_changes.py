"""What reads of a GPU's power leave open about when the power changed.

sensor:   |       |       |       |       shows the power of its last update
reads:     r    r   r  r     r   r
power:    ____|‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾
              [room]                      the change lies in the period before the update
                                          that shows it, and that update between two reads
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llenergymeasure.core.energy_backends.gpu.signal.reads import Floats, Ints, PowerReads
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Period, on_the_beat, stretches

SLOWEST_UPDATE_NS = 100_000_000
"""No sensor known is slower; noise shows the updates of one, else it may have any period."""

QUICKEST_UPDATE_NS = 20_000_000


@dataclass(frozen=True)
class PowerSensor:
    """How a power reading comes about.

    Attributes:
        beat: How often it is updated, as seen; None where that was not seen.
        averaging_ns: Length of the trailing average that it shows; 0 for a momentary value.
        slowest_ns: How slow it can be where that was not seen.
    """

    beat: Period | None = None
    averaging_ns: int = 0
    slowest_ns: int = SLOWEST_UPDATE_NS

    @property
    def update_ns(self) -> int:
        """The longest time from one update to the next."""
        return self.beat.period_ns + 2 * self.beat.jitter_ns if self.beat else self.slowest_ns

    @property
    def delay_ns(self) -> int:
        """How old a reading is on average; a sensor that was not seen is likely a quick one."""
        update_ns = self.beat.period_ns if self.beat else QUICKEST_UPDATE_NS
        return (update_ns + self.averaging_ns) // 2


@dataclass(frozen=True)
class Changes:
    """Power as a staircase, and the room that each of its steps has.

    Attributes:
        first_w: Level before the first change.
        steps_w: By how much power changed.
        earliest_ns: When each change can have been at the earliest.
        latest_ns: And at the latest.
        likely_ns: And most likely was.
    """

    first_w: float
    steps_w: Floats
    earliest_ns: Ints
    latest_ns: Ints
    likely_ns: Ints

    @classmethod
    def from_reads(cls, reads: PowerReads, sensor: PowerSensor) -> Changes:
        """The changes that these reads show; at least one read."""
        changed = np.flatnonzero(np.diff(reads.power_w))
        shown = stretches(reads.before_ns, reads.after_ns, changed)
        if sensor.beat is not None:
            shown = on_the_beat(*shown, sensor.beat)
        return cls(
            first_w=float(reads.power_w[0]),
            steps_w=np.diff(reads.power_w)[changed],
            earliest_ns=shown[0] - sensor.update_ns,
            latest_ns=shown[1],
            likely_ns=(shown[0] + shown[1]) // 2 - sensor.delay_ns,
        )

    @property
    def levels_w(self) -> Floats:
        """The level before the first change, and the one after each."""
        return self.first_w + np.concatenate(([0.0], np.cumsum(self.steps_w)))

    def between(self, start_ns: int, end_ns: int) -> Changes:
        """Only those changes that can have happened in a stretch of time."""
        before = int(np.sum(self.latest_ns <= start_ns))
        there = (self.latest_ns > start_ns) & (self.earliest_ns < end_ns)
        return Changes(
            first_w=float(self.levels_w[before]),
            steps_w=self.steps_w[there],
            earliest_ns=self.earliest_ns[there],
            latest_ns=self.latest_ns[there],
            likely_ns=self.likely_ns[there],
        )


def hidden_w(reads: PowerReads) -> Floats:
    """How far off its staircase power can have been between each two reads, unseen, in W.

    Anything that was seen anywhere among these reads may have come and gone there.
    """
    levels_w = (reads.power_w[1:] + reads.power_w[:-1]) / 2
    off_w: Floats = np.maximum(reads.power_w.max() - levels_w, levels_w - reads.power_w.min())
    return off_w


def hidden_ns(
    reads: PowerReads, sensor: PowerSensor, start_ns: int, end_ns: int, *, few: bool = False
) -> Ints:
    """How long power went unseen between each two reads within a stretch of time, in ns.

    At most one update lies between two reads that are no further apart than updates are. One that
    was not looked at would have told of the time before it.

    Args:
        reads: All reads around.
        sensor: How they come about.
        start_ns: Begin of the stretch.
        end_ns: Its end.
        few: Only some reads matter. Over many, the share of updates that was missed counts; over
            few, each that can have been missed, from the update before the first read on.
    """
    update_ns = sensor.beat.period_ns if sensor.beat else QUICKEST_UPDATE_NS
    earliest_ns = np.maximum(reads.before_ns[:-1] - update_ns, start_ns)
    inside_ns = np.minimum(reads.after_ns[1:], end_ns) - earliest_ns
    beyond_ns = reads.gaps_ns - update_ns - sensor.averaging_ns
    if few:
        beyond_ns = np.where(beyond_ns > update_ns // 4, reads.gaps_ns + update_ns, beyond_ns)
    unseen_ns: Ints = np.clip(np.minimum(beyond_ns, inside_ns), 0, None)
    return unseen_ns
