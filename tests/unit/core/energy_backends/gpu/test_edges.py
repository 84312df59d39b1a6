"""When watching for a counter's steps begins, goes on and ends."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.core.energy_backends.gpu.edges import (
    GIVE_UP_NS,
    STEP_TIMEOUT_NS,
    await_step,
    follow_end,
    learn_rhythm,
)
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack, Rhythm

_path = Path(__file__).with_name("virtual_gpu.py")
_spec = importlib.util.spec_from_file_location("virtual_gpu", _path)
assert _spec is not None and _spec.loader is not None
virtual = importlib.util.module_from_spec(_spec)
sys.modules["virtual_gpu"] = virtual
_spec.loader.exec_module(virtual)

MS = 1_000_000


def watched(gpus: int = 1, **changes: Any) -> tuple[Any, list[DeviceTrack]]:
    time = virtual.VirtualTime(random.Random(5), 100_000_000_000)
    devices = [
        virtual.VirtualGpu(time, virtual.constant(300.0), counter_phase_s=0.013 * n, **changes)
        for n in range(gpus)
    ]
    return time, [DeviceTrack(device, Rhythm(), lambda: time.now_ns) for device in devices]


def starved(time: Any, pause_s: float) -> None:
    """From now on every pause between two reads takes so long."""
    time.sleep = lambda seconds: time.pass_s(pause_s)


def test_one_sharp_step_is_enough() -> None:
    time, (track,) = watched()
    await_step([track], time.timing)
    track.open()
    assert track.start is not None
    assert track.start.sharp
    assert time.now_ns - track.start_ns < 2 * MS
    assert time.now_ns <= 100_000_000_000 + 102 * MS


def test_a_step_that_slow_reads_cannot_show_sharply_is_taken_as_it_is() -> None:
    time, tracks = watched(gpus=8, read_s=300e-6)
    begin_ns = time.now_ns
    await_step(tracks, time.timing)
    for track in tracks:
        track.open()
        assert track.start is not None
        assert not track.start.sharp
    # No second step is waited for: it would be no sharper.
    assert time.now_ns - begin_ns < 120 * MS


def test_who_is_kept_from_looking_does_not_give_up() -> None:
    time, (track,) = watched()
    starved(time, 0.6)
    await_step([track], time.timing)
    track.open()
    assert track.start is not None
    track.close()
    follow_end([track], time.timing)
    assert track.steps_since(track.end_ns)


def test_a_counter_that_stands_still_is_given_up_after_half_a_second() -> None:
    time, (track,) = watched(counter_at=lambda joules, t: 1e6)
    for watch in (await_step, follow_end):
        begin_ns = track.end_ns = time.now_ns
        watch([track], time.timing)
        assert STEP_TIMEOUT_NS <= time.now_ns - begin_ns < STEP_TIMEOUT_NS + 5 * MS
    begin_ns = time.now_ns
    learn_rhythm([track], time.timing)
    assert time.now_ns - begin_ns < 500 * MS
    assert track.rhythm.counter is None


def test_nothing_is_waited_for_beyond_a_few_seconds() -> None:
    time, (track,) = watched()
    # Every step is blurred, and there are hardly any reads.
    starved(time, 1.7)
    begin_ns = time.now_ns
    await_step([track], time.timing)
    assert time.now_ns - begin_ns <= GIVE_UP_NS + 2 * 1_700 * MS


@pytest.mark.parametrize("averaging_ns", [0, 1_000_000_000])
def test_without_a_counter_power_is_followed_until_it_tells_of_the_end(averaging_ns: int) -> None:
    time, (track,) = watched(has_counter=False, power_averaging_ns=averaging_ns)
    begin_ns = time.now_ns
    await_step([track], time.timing)
    assert time.now_ns == begin_ns
    learn_rhythm([track], time.timing)
    track.close()
    follow_end([track], time.timing)
    followed_ns = time.now_ns - track.end_ns
    assert averaging_ns + 20 * MS <= followed_ns < averaging_ns + 30 * MS


def test_a_lost_device_is_not_waited_for() -> None:
    time, (track,) = watched(lost_at_s=0.0)
    begin_ns = time.now_ns
    await_step([track], time.timing)
    follow_end([track], time.timing)
    assert time.now_ns - begin_ns < 5 * MS


def test_a_window_ends_with_a_read_that_did_not_take_long() -> None:
    time, (track,) = watched()
    device, slow = track.sensor, iter([0.03, 0.01])
    quick = device.counter_mj

    def counter_mj() -> int:
        time.pass_s(next(slow, 0.0))
        return int(quick())

    device.counter_mj = counter_mj
    track.close()
    assert track.end_ns >= 100_000_000_000 + 40 * MS
    assert len(track.seen) == 3
