"""Reading devices: closely where a window begins and ends, now and then in between.

start: watch closely until every counter has stepped      | window opens at that step
between: one read every interval, in a thread (``nvml_sampler``)
stop:  read | watch closely until every counter has stepped and power was updated
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llenergymeasure.core.energy_backends.clock import MonotonicClock
from llenergymeasure.core.energy_backends.device_track import (
    SHARP_NS,
    SLOWEST_UPDATE_NS,
    DeviceTrack,
    sharpest,
)

CLOSE_S = 0.0005
"""Pause between two reads while watching closely."""

STEP_TIMEOUT_NS = 500_000_000
"""A counter that has not stepped by then is not going to: the slowest known takes 100 ms."""

RHYTHM_NS = 400_000_000
"""How long the registers are watched to learn how often they are updated."""

SLOWEST_INTERVAL_S, FASTEST_INTERVAL_S = 0.1, 0.02

# A step blurred by a busy machine is given up for a later one, but not for ever.
_TRIES = 4


@dataclass(frozen=True)
class Timing:
    """Time as the source sees it; a virtual one makes thousands of windows quick."""

    now_ns: MonotonicClock = time.monotonic_ns
    sleep: Callable[[float], object] = field(default=time.sleep)


def learn_rhythm(tracks: Sequence[DeviceTrack], timing: Timing) -> None:
    """Watch the registers for a while and write down how often they are updated.

    Where the processor was too busy to see a counter's steps, for a while more.
    """
    for _ in range(_TRIES):
        _watch(tracks, timing, lambda _: False, RHYTHM_NS)
        if all(_heard(track) for track in tracks):
            break
    for track in tracks:
        track.rhythm = track.observed_rhythm()


def _heard(track: DeviceTrack) -> bool:
    counter = track.observed_rhythm().counter
    return track.lost is not None or not track.sensor.has_counter or counter is not None


def await_step(tracks: Sequence[DeviceTrack], timing: Timing) -> None:
    """Watch until the counter of each device has stepped, sharply if that can be had."""
    begin_ns = timing.now_ns()
    _watch(tracks, timing, lambda track: _stepped(track, begin_ns))


def follow_end(tracks: Sequence[DeviceTrack], timing: Timing) -> None:
    """Watch on after the windows' ends, each device until its tail can be told."""
    longest_ns = STEP_TIMEOUT_NS + max((_delay_ns(track) for track in tracks), default=0)
    give_up_ns = timing.now_ns() + longest_ns
    pending = list(tracks)
    while pending and timing.now_ns() < give_up_ns:
        for track in pending:
            track.observe()
        timing.sleep(CLOSE_S)
        pending = [t for t in pending if t.lost is None and not _told(t, timing.now_ns())]


def interval_s(track: DeviceTrack) -> float:
    """How often a device is read between its edges.

    Power that only checks the counter is read at its own rate; power that is the value four times
    as often, so that its updates are placed well.
    """
    update_s = track.rhythm.power_sensor(0).update_ns / 1e9
    if track.sensor.has_counter:
        return min(max(update_s, FASTEST_INTERVAL_S), SLOWEST_INTERVAL_S)
    return max(update_s / 4, CLOSE_S)


def _watch(
    tracks: Sequence[DeviceTrack],
    timing: Timing,
    done: Callable[[DeviceTrack], bool],
    longest_ns: int = STEP_TIMEOUT_NS,
) -> None:
    give_up_ns = timing.now_ns() + longest_ns
    while timing.now_ns() < give_up_ns:
        if all(track.lost is not None or done(track) for track in tracks):
            return
        for track in tracks:
            track.observe()
        timing.sleep(CLOSE_S)


def _stepped(track: DeviceTrack, since_ns: int) -> bool:
    if not track.sensor.has_counter:
        return True
    steps = track.steps_since(since_ns)
    best = sharpest(steps)
    return best is not None and (best.slack_ns <= SHARP_NS or len(steps) >= _TRIES)


def _told(track: DeviceTrack, now_ns: int) -> bool:
    if not track.sensor.has_counter:
        return now_ns >= track.end_ns + _delay_ns(track)
    step = sharpest(track.steps_since(track.end_ns))
    if step is None or not _stepped(track, track.end_ns):
        return False
    # A change of power before the step may show only with the next update after it.
    return now_ns >= step.at_ns + min(_delay_ns(track), SLOWEST_UPDATE_NS)


def _delay_ns(track: DeviceTrack) -> int:
    if track.sensor.power_source is None:
        return 0
    sensor = track.rhythm.power_sensor(track.sensor.power_averaging_ns)
    # Twice the mean age: the whole of an update, and of an average.
    return 2 * sensor.delay_ns + int(2 * CLOSE_S * 1e9)
