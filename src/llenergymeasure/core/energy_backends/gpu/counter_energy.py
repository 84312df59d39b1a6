"""Joules of a window by a device's energy counter.

joules = counter(step after the end) - counter(step at the start) - tail
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from llenergymeasure.core.energy_backends.gpu.signal.power_changes import (
    QUICKEST_UPDATE_NS,
    PowerSensor,
)
from llenergymeasure.core.energy_backends.gpu.signal.reads import CounterReads, PowerReads
from llenergymeasure.core.energy_backends.gpu.signal.tail import Rise, Tail, tail_energy, union
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Period, Tick, sharpest
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack
from llenergymeasure.core.energy_backends.impossible import MOST_GPU_W

# Enough to have seen the levels that power has, and on what beat it is updated.
_LOOK_AROUND_NS = 2_000_000_000

# Two values of the counter, cut off below a millijoule.
_RESOLUTION_J = 0.002


@dataclass(frozen=True)
class Counted:
    """A window's energy.

    Attributes:
        joules: Energy in J.
        edge_j: Half the width of the interval that the window's two edges leave open.
        tail_j: What was taken off after the end.
    """

    joules: float
    edge_j: float
    tail_j: float


@dataclass(frozen=True)
class _End:
    """A window's end among the counter's reads and steps.

    Attributes:
        end_ns: The end.
        closing_mj: The counter, read at the end.
        closed_ns: When that read was over.
        before: The step to the closing value.
        steps: The steps after the end, in order; at least one.
    """

    end_ns: int
    closing_mj: int
    closed_ns: int
    before: Tick
    steps: tuple[Tick, ...]

    @classmethod
    def among(cls, reads: CounterReads, end_ns: int) -> _End | None:
        """None where no read began at the end, or no step was seen after it."""
        closing = int(np.searchsorted(reads.before_ns, end_ns))
        changed = np.flatnonzero(np.diff(reads.values_mj))
        steps = tuple(_step(reads, int(last)) for last in changed[changed >= closing])
        if not steps:
            return None
        past = changed[changed < closing]
        return cls(
            end_ns=end_ns,
            closing_mj=int(reads.values_mj[closing]),
            closed_ns=int(reads.after_ns[closing]),
            before=_step(reads, int(past[-1]) if len(past) else 0),
            steps=steps,
        )


def count_energy(track: DeviceTrack) -> Counted | None:
    """The window's energy; None where the counter was not read at both ends."""
    reads, power = track.seen.counter(), track.seen.power()
    start, end = track.start, _End.among(reads, track.end_ns)
    if start is None or end is None:
        return None
    after = sharpest(end.steps) or end.steps[0]
    tail = _tail(track, start, end, after, power)
    joules = (after.value_mj - start.value_mj) / 1e3 - tail.likely_j
    return Counted(
        joules=max(joules, 0.0),
        edge_j=tail.uncertainty_j + _start_j(start, reads, power) + _RESOLUTION_J,
        tail_j=tail.likely_j,
    )


def _step(reads: CounterReads, last_old: int) -> Tick:
    """The step between a read and the next."""
    return Tick(
        earliest_ns=int(reads.before_ns[last_old]),
        latest_ns=int(reads.after_ns[last_old + 1]),
        value_mj=int(reads.values_mj[last_old + 1]),
    )


def _tail(track: DeviceTrack, start: Tick, end: _End, after: Tick, power: PowerReads) -> Tail:
    """The tail, by power where that is momentary, and never beyond what the counter says."""
    sensor = track.rhythm.power_sensor(track.sensor.power_averaging_ns)
    around = power.around(end.end_ns - _LOOK_AROUND_NS, after.latest_ns + 2 * sensor.update_ns)
    least_j = (after.value_mj - end.steps[0].value_mj) / 1e3
    most_j = (after.value_mj - end.closing_mj) / 1e3
    period = track.rhythm.counter
    if period is not None:
        period = period.sharpen(after.at_ns - start.at_ns, after.slack_ns + start.slack_ns)
    rises = list(_rises(period, end, after, most_j))
    if len(around):
        # The closing read can have been later than the end, by energy that is not in the tail.
        most_j += float(around.power_w.max()) * (end.closed_ns - end.end_ns) / 1e9
    if sensor.averaging_ns or len(around) < 2:
        return Tail(least_j, most_j, rises[0].by_rate_j).within(least_j, most_j)
    by_power = union([tail_energy(rise, around, sensor) for rise in rises])
    if sensor.beat is None:
        # It may be slow, but is likely quick.
        quick = PowerSensor(slowest_ns=QUICKEST_UPDATE_NS)
        quick_j = union([tail_energy(rise, around, quick) for rise in rises]).likely_j
        by_power = replace(by_power, likely_j=quick_j)
    return by_power.within(least_j, most_j)


def _rises(period: Period | None, end: _End, after: Tick, joules: float) -> Iterator[Rise]:
    """One for each step before the one after the end that can have given the closing value."""
    earliest_ns, latest_ns = end.before.earliest_ns, min(end.before.latest_ns, end.closed_ns)
    spans: range = range(0)
    if period is not None:
        every_ns = period.period_ns
        off_ns = period.spread_ns((after.at_ns - end.end_ns) // every_ns + 1)
        blur_ns = after.slack_ns + off_ns
        # A read shows the last step before it.
        earliest_ns = max(earliest_ns, end.end_ns - every_ns - off_ns)
        first = -((latest_ns + blur_ns - after.at_ns) // every_ns)
        spans = range(max(first, 1), (after.at_ns + blur_ns - earliest_ns) // every_ns + 1)
        for n in spans:
            yield Rise(end.end_ns, after, after.at_ns - n * every_ns, joules, off_ns)
    if not spans:
        middle_ns, half_ns = (earliest_ns + latest_ns) // 2, (latest_ns - earliest_ns + 1) // 2
        yield Rise(end.end_ns, after, middle_ns, joules, half_ns)


def _start_j(start: Tick, reads: CounterReads, power: PowerReads) -> float:
    """What the window's start leaves open, in J: where in its stretch the step was."""
    near = power.between(start.at_ns - _LOOK_AROUND_NS, start.at_ns + _LOOK_AROUND_NS)
    highest_w = float(near.power_w.max()) if len(near) else MOST_GPU_W
    values_mj = reads.values_mj
    older_mj, newer_mj = (
        values_mj[values_mj < start.value_mj],
        values_mj[values_mj > start.value_mj],
    )
    rise_mj = max(
        start.value_mj - int(older_mj.max(initial=0)),
        int(newer_mj.min(initial=start.value_mj)) - start.value_mj,
    )
    return min(highest_w * start.slack_ns / 1e9, rise_mj / 1e3)
