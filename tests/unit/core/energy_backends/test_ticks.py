from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.sensor_gain import sensor_gain
from llenergymeasure.core.energy_backends.ticks import (
    Period,
    Tick,
    change_times,
    on_the_beat,
    update_period,
)

MS = 1_000_000


def test_a_step_lies_between_the_last_old_and_the_first_new_read() -> None:
    tick = Tick.between(1000, 1601, 42)
    assert (tick.at_ns - tick.slack_ns, tick.at_ns + tick.slack_ns) == (999, 1601)


def test_the_period_outlives_a_step_that_was_overlooked() -> None:
    times = np.array([0, 100, 200, 400, 500, 600, 700]) * MS
    assert update_period(times) == Period(100 * MS, 0)


def test_two_steps_tell_no_period() -> None:
    assert update_period(np.array([0, 100])) is None


def test_changes_are_put_between_two_reads_that_lie_close() -> None:
    changes = change_times(
        np.array([0, 10, 20, 30, 90, 100]), np.array([5.0, 5.0, 6.0, 7.0, 8.0, 8.0]), 10
    )
    assert changes.tolist() == [15, 25]


@given(st.floats(0, 20), st.lists(st.integers(1, 3), min_size=30, max_size=60))
def test_the_beat_is_found_and_never_leaves_what_was_seen(
    phase_ms: float, skips: list[int]
) -> None:
    updates = np.cumsum(np.array(skips) * 20 * MS) + int(phase_ms * MS)
    early, late = updates - updates % (7 * MS), updates - updates % (7 * MS) + 7 * MS
    found = on_the_beat(early, late, 20 * MS)
    assert np.all((found >= early) & (found <= late))
    # Reads every 7 ms drift along the beat, which pins it down to 1 ms.
    assert np.all(np.abs(found[-5:] - updates[-5:]) <= 3.5 * MS)


def test_the_gain_says_where_it_comes_from() -> None:
    assert sensor_gain("NVIDIA A100-SXM4-80GB").relative == 0.06
    assert sensor_gain("NVIDIA GeForce GTX 1080 Ti").relative == 0.01
    assert sensor_gain("NVIDIA H200").relative == 0.05
    assert "not known" in sensor_gain("NVIDIA H200").origin


def test_the_truth_lies_within_the_gains_interval() -> None:
    gain = sensor_gain("NVIDIA H200")
    for factor in (1 - gain.relative, 1 + gain.relative):
        assert abs(1000.0 - 1000.0 * factor) <= gain.uncertainty_j(1000.0 * factor) + 1e-9
