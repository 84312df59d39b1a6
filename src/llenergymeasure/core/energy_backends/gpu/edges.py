"""Reading devices: closely where a window begins and ends, now and then in between.

start: watch closely until every counter has stepped      | window opens at that step
between: one read every interval, in a thread (``nvml_sampler``)
stop:  read | watch closely until every counter has stepped and power was updated
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llenergymeasure.core.energy_backends.gpu.signal.power_changes import (
    QUICKEST_UPDATE_NS,
    SLOWEST_UPDATE_NS,
)
from llenergymeasure.core.energy_backends.gpu.signal.ticks import sharpest
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock

CLOSE_S = 0.0005
"""Pause between two reads while watching closely."""

STEP_TIMEOUT_NS = 500_000_000
"""A counter that has not stepped by then is not going to: the slowest known takes 100 ms."""

GIVE_UP_NS = 3_000_000_000
"""A step that a busy machine keeps blurring is waited for no longer than this."""

RHYTHM_NS = 400_000_000
"""How long the registers are watched to learn how often they are updated."""

SLOWEST_INTERVAL_S, FASTEST_INTERVAL_S = 0.1, 0.02

# A step blurred by a busy machine is given up for a later one, but not for ever.
_TRIES = 4

_LOOKS = 20


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
        _watch(tracks, timing, lambda watch: watch.passed_ns < RHYTHM_NS)
        if all(_heard(track) for track in tracks):
            break
    for track in tracks:
        track.rhythm = track.observed_rhythm()


def await_step(tracks: Sequence[DeviceTrack], timing: Timing) -> None:
    """Watch until the counter of each device has stepped, sharply if that can be had."""
    begin_ns = timing.now_ns()
    # All to the last: a step that lies close to the others' makes a better start.
    _watch(
        tracks,
        timing,
        lambda watch: any(
            watch.hopes(t, begin_ns) and not _has_stepped(t, begin_ns) for t in tracks
        ),
    )


def follow_end(tracks: Sequence[DeviceTrack], timing: Timing) -> None:
    """Watch on after the windows' ends, each device until its tail can be told."""
    pending = list(tracks)

    def untold(watch: _Watch) -> bool:
        pending[:] = [
            track
            for track in pending
            if watch.hopes(track, track.end_ns) and not _has_told(track, timing.now_ns())
        ]
        return bool(pending)

    _watch(pending, timing, untold)


def interval_s(track: DeviceTrack) -> float:
    """How often a device is read between its edges.

    Power that only checks the counter is read at its own rate; power that is the value four times
    as often, so that its updates are placed well; twice that where they were not seen.
    """
    beat = track.rhythm.power_sensor(0).beat
    update_s = (beat.period_ns if beat else QUICKEST_UPDATE_NS / 2) / 1e9
    if track.sensor.has_counter:
        return min(max(update_s, FASTEST_INTERVAL_S), SLOWEST_INTERVAL_S)
    return max(update_s / 4, CLOSE_S)


@dataclass(frozen=True)
class _Watch:
    """How long and how often was looked so far; ``looked_ns`` is when the last look began."""

    looks: int
    begin_ns: int
    looked_ns: int
    now_ns: int

    @property
    def passed_ns(self) -> int:
        return self.now_ns - self.begin_ns

    def hopes(self, track: DeviceTrack, since_ns: int) -> bool:
        """Whether looking on may show more: not at a lost device, nor at one that stands still."""
        if track.lost is not None or self.passed_ns >= GIVE_UP_NS:
            return False
        if not track.sensor.has_counter:
            return True
        steps = track.steps_since(since_ns)
        stepped_ns = max(steps[-1].latest_ns if steps else 0, self.begin_ns)
        # Who was kept from looking has not seen anything stand still.
        return self.looks < _LOOKS or self.looked_ns - stepped_ns < STEP_TIMEOUT_NS


def _watch(tracks: Sequence[DeviceTrack], timing: Timing, on: Callable[[_Watch], bool]) -> None:
    """Read devices closely as long as somebody wants to go on."""
    begin_ns = looked_ns = timing.now_ns()
    looks = 0
    while on(_Watch(looks, begin_ns, looked_ns, timing.now_ns())):
        looked_ns = timing.now_ns()
        for track in tracks:
            track.observe()
        looks += 1
        timing.sleep(CLOSE_S)


def _heard(track: DeviceTrack) -> bool:
    if track.lost is not None or not track.sensor.has_counter:
        return True
    stands_still = len(track.seen) >= _LOOKS and not track.steps_since(0)
    return stands_still or track.observed_rhythm().counter is not None


def _has_stepped(track: DeviceTrack, since_ns: int) -> bool:
    if not track.sensor.has_counter:
        return True
    steps = track.steps_since(since_ns)
    return any(map(track.seen_well, steps)) or len(steps) >= _TRIES


def _has_told(track: DeviceTrack, now_ns: int) -> bool:
    if not track.sensor.has_counter:
        return now_ns >= track.end_ns + _delay_ns(track)
    step = sharpest(track.steps_since(track.end_ns))
    if step is None or not _has_stepped(track, track.end_ns):
        return False
    # A change of power before the step may show only with the next update after it.
    return now_ns >= step.at_ns + min(_delay_ns(track), SLOWEST_UPDATE_NS)


def _delay_ns(track: DeviceTrack) -> int:
    """How long after an update the next one shows, and is read."""
    if track.sensor.power_source is None:
        return 0
    sensor = track.rhythm.power_sensor(track.sensor.power_averaging_ns)
    return sensor.update_ns + sensor.averaging_ns + int(2 * CLOSE_S * 1e9)
