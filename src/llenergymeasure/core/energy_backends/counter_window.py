"""Joules of a window by a device's energy counter.

joules = counter(step after the end) - counter(step at the start) - tail
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llenergymeasure.core.energy_backends.device_track import DeviceTrack, sharpest
from llenergymeasure.core.energy_backends.observations import CounterReads, PowerReads
from llenergymeasure.core.energy_backends.tail import Rise, Tail, tail_by_rate, tail_energy
from llenergymeasure.core.energy_backends.ticks import Period, Tick
from llenergymeasure.domain.validity import Reason, ReasonCode

# Every counter known steps within 100 ms; five steps left out are no accident.
_FROZEN_PERIODS = 5
_FROZEN_AT_LEAST_NS = 450_000_000

# What a counter can have come to since a reset that nobody saw: seconds at more than any GPU draws.
_SINCE_RESET_J = 5_000.0


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


def counter_fault(track: DeviceTrack) -> Reason | None:
    """What is wrong with the counter itself, if anything."""
    reads = track.seen.counter()
    return _fell(reads) or _froze(reads, track.rhythm.counter)


def counted(track: DeviceTrack) -> Counted | None:
    """The window's energy; None where the counter was not read at both ends."""
    start, after = track.start, sharpest(track.steps_since(track.end_ns))
    at_end = track.seen.counter(track.end_ns)
    if start is None or after is None or len(at_end) == 0:
        return None
    power = track.seen.power()
    rise_j = (after.value_mj - int(at_end.values_mj[0])) / 1e3
    tail = _tail(track, start, after, rise_j, power)
    joules = (after.value_mj - start.value_mj) / 1e3 - tail.joules
    sensor = track.rhythm.power_sensor(track.sensor.power_averaging_ns)
    start_w = _highest_w(power, start.at_ns, 2 * sensor.update_ns + start.slack_ns)
    return Counted(
        joules=max(joules, 0.0),
        edge_j=tail.uncertainty_j + start_w * start.slack_ns / 1e9,
        tail_j=tail.joules,
    )


def _tail(track: DeviceTrack, start: Tick, after: Tick, joules: float, power: PowerReads) -> Tail:
    """The tail by power where it is momentary, else by the counter's rate."""
    rises = _rises(track, start, after, joules)
    sensor = track.rhythm.power_sensor(track.sensor.power_averaging_ns)
    around = power.between(
        min(rise.before_ns for rise in rises) - 3 * sensor.update_ns,
        after.at_ns + 2 * sensor.update_ns,
    )
    if sensor.averaging_ns or len(around) < 2:
        return tail_by_rate(rises[0])
    return min(
        (tail_energy(rise, around, sensor) for rise in rises), key=lambda tail: tail.misfit_j
    )


def _rises(track: DeviceTrack, start: Tick, after: Tick, joules: float) -> list[Rise]:
    """The counter's step before the one after the end; two of them where the end meets a step."""
    length_ns = after.at_ns - track.end_ns
    period = _fitted(track.rhythm.counter, after.at_ns - start.at_ns) or Period(length_ns, 0)
    blur_ns = start.slack_ns + after.slack_ns + period.jitter_ns
    spans = {
        max(int((length_ns + shift_ns) / max(period.period_ns, 1)) + 1, 1)
        for shift_ns in (0, blur_ns, -blur_ns)
    }
    return [
        Rise(track.end_ns, after, after.at_ns - n * period.period_ns, joules, n * period.jitter_ns)
        for n in sorted(spans)
    ]


def _fitted(seen: Period | None, length_ns: int) -> Period | None:
    """The period, sharpened by a long time that is a whole number of it."""
    if seen is None:
        return None
    count = round(length_ns / seen.period_ns)
    fitted_ns = length_ns // count if count else 0
    agrees = abs(fitted_ns - seen.period_ns) <= max(seen.jitter_ns, seen.period_ns // 50)
    return Period(fitted_ns, seen.jitter_ns) if agrees else seen


def _fell(reads: CounterReads) -> Reason | None:
    falls = np.flatnonzero(np.diff(reads.values_mj) < 0)
    if len(falls) == 0:
        return None
    from_j, to_j = (float(reads.values_mj[falls[0] + i]) / 1e3 for i in (0, 1))
    words = f"the energy counter went from {from_j:.3f} J to {to_j:.3f} J"
    if to_j <= _SINCE_RESET_J:
        return Reason(
            code=ReasonCode.COUNTER_RESET,
            detail=f"{words}: the driver was loaded again or the GPU was reset",
        )
    return Reason(code=ReasonCode.COUNTER_BACKWARDS, detail=f"{words}, which no energy does")


def _froze(reads: CounterReads, period: Period | None) -> Reason | None:
    if len(reads) < 2:
        return None
    changes = np.flatnonzero(np.diff(reads.values_mj))
    first = np.concatenate(([0], changes + 1))
    last = np.concatenate((changes, [len(reads) - 1]))
    longest_ns = int(np.max(reads.before_ns[last] - reads.after_ns[first]))
    usual_ns = period.period_ns if period else 0
    if longest_ns < max(_FROZEN_PERIODS * usual_ns, _FROZEN_AT_LEAST_NS):
        return None
    return Reason(
        code=ReasonCode.COUNTER_FROZEN,
        detail=f"the energy counter did not move for {longest_ns / 1e9:.2f} s",
    )


def _highest_w(power: PowerReads, at_ns: int, around_ns: int) -> float:
    """The highest power read around a time, in W; 0 where it was not read there."""
    near = power.between(at_ns - around_ns, at_ns + around_ns)
    return float(near.power_w.max()) if len(near) else 0.0
