from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.gpu.sensor_gain import sensor_gain
from llenergymeasure.core.energy_backends.gpu.signal.ticks import (
    Period,
    Tick,
    on_the_beat,
    sharpest,
    update_period,
)

MS = 1_000_000


def stretches(times_ms: list[float], slack_ms: float = 0.0) -> tuple[Any, Any]:
    times_ns = np.array(times_ms) * MS
    return (times_ns - slack_ms * MS).astype(np.int64), (times_ns + slack_ms * MS).astype(np.int64)


@given(st.integers(0, 10**12), st.integers(1, 10**9))
def test_a_step_lies_between_the_last_old_and_the_first_new_read(early: int, length: int) -> None:
    tick = Tick(early, early + length, 42)
    assert early <= tick.at_ns <= early + length
    assert tick.at_ns - tick.slack_ns <= early
    assert tick.at_ns + tick.slack_ns >= early + length


def test_the_first_sharp_step_is_taken_else_the_sharpest() -> None:
    ticks = [Tick(0, slack * 2 * MS // 10, slack) for slack in (30, 9, 5, 20)]
    assert sharpest(ticks) is ticks[1]
    assert sharpest([ticks[0], ticks[3]]) is ticks[3]
    assert sharpest([]) is None


def test_the_period_is_the_usual_distance_of_steps() -> None:
    assert update_period(*stretches([0, 100, 200, 300])) == Period(100 * MS, 0, 0.0)


def test_two_steps_tell_no_period() -> None:
    assert update_period(*stretches([0, 100])) is None


def test_steps_that_show_the_same_value_are_not_left_out_of_the_count() -> None:
    found = update_period(*stretches([0, 20, 40, 60, 120, 140]))
    assert found == Period(20 * MS, 0, 0.0)


def test_a_blurred_step_may_hide_others_and_tells_nothing() -> None:
    early, late = stretches([0, 20, 40, 75, 100, 120], 0.2)
    # Two steps lie in there: at 60 and at 80 ms.
    early[3], late[3] = 59 * MS, 91 * MS
    found = update_period(early, late)
    assert found is not None
    assert abs(found.period_ns - 20 * MS) <= found.error_ns
    assert found.error_ns < 0.1 * MS
    assert found.jitter_ns == 0


def test_a_register_that_keeps_no_beat_says_how_far_off_it_is() -> None:
    found = update_period(*stretches([0, 95, 200, 290, 400], 0.1))
    assert found is not None
    assert 5 * MS <= found.jitter_ns <= 15 * MS


@given(
    st.floats(9, 110),
    st.floats(0, 100),
    st.lists(st.tuples(st.floats(0, 0.9), st.floats(0, 0.9)), min_size=12, max_size=40),
)
def test_the_true_period_is_within_its_error(
    period_ms: float, phase_ms: float, slacks_ms: list[tuple[float, float]]
) -> None:
    times = phase_ms + period_ms * np.arange(len(slacks_ms))
    before, after = np.array(slacks_ms).T
    early = ((times - before) * MS).astype(np.int64)
    late = ((times + after) * MS).astype(np.int64) + 1
    found = update_period(early, late)
    assert found is not None
    assert found.jitter_ns == 0
    assert abs(found.period_ns - period_ms * MS) <= found.error_ns + 2


def test_a_long_time_sharpens_the_period_only_if_it_can_be_counted() -> None:
    rough = Period(20 * MS, 0, 0.05 * MS)
    fine = rough.sharpen(20.01 * 50 * MS, 0.5 * MS)
    assert fine.period_ns == pytest.approx(20.01 * MS)
    assert fine.error_ns == pytest.approx(0.01 * MS)
    # 500 periods could as well be 501.
    assert rough.sharpen(20.01 * 500 * MS, 0.5 * MS) is rough


@given(st.floats(0, 20), st.lists(st.integers(1, 3), min_size=30, max_size=60))
def test_the_beat_is_found_and_never_leaves_what_was_seen(
    phase_ms: float, skips: list[int]
) -> None:
    updates = np.cumsum(np.array(skips) * 20 * MS) + int(phase_ms * MS)
    early = updates - updates % (7 * MS)
    late = early + 7 * MS
    narrow_early, narrow_late = on_the_beat(early, late, Period(20 * MS))
    assert np.all((early <= narrow_early) & (narrow_late <= late))
    assert np.all((narrow_early <= updates) & (updates <= narrow_late))
    # Reads every 7 ms drift along the beat, which pins it down to about 1 ms.
    assert np.all(narrow_late - narrow_early <= 3.5 * MS)


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 60)), min_size=5, max_size=40))
def test_late_reads_never_push_an_update_off_its_place(steps: list[tuple[int, float]]) -> None:
    updates = np.cumsum([20 * MS * skip for skip, _ in steps]) + 3 * MS
    late_ns = np.array([int(ms * MS) for _, ms in steps])
    early, late = on_the_beat(updates - late_ns // 3, updates + late_ns, Period(20 * MS, 0, 100.0))
    assert np.all((early <= updates) & (updates <= late))


def test_a_beat_that_is_lost_leaves_the_stretch_as_it_was() -> None:
    early, late = stretches([0, 20, 40, 55, 75], 0.5)
    narrow = on_the_beat(early, late, Period(20 * MS))
    assert (narrow[0][3], narrow[1][3]) == (early[3], late[3])


def test_the_gain_says_where_it_comes_from() -> None:
    assert sensor_gain("NVIDIA A100-SXM4-80GB").relative == 0.06
    assert sensor_gain("NVIDIA GeForce GTX 1080 Ti").relative == 0.01
    assert sensor_gain("NVIDIA H200").relative == 0.05
    assert "not known" in sensor_gain("NVIDIA H200").origin


def test_the_truth_lies_within_the_gains_interval() -> None:
    gain = sensor_gain("NVIDIA H200")
    for factor in (1 - gain.relative, 1 + gain.relative):
        assert abs(1000.0 - 1000.0 * factor) <= gain.uncertainty_j(1000.0 * factor) + 1e-9
