from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.results.plots.thin import choose_kept_indices

BUCKETS = 7
GAPS_S = st.one_of(st.just(0.0), st.floats(1e-6, 10))
POINTS = st.lists(st.tuples(GAPS_S, st.floats(-1e9, 1e9)), min_size=1, max_size=200)


@given(POINTS)
def test_no_peak_is_lost_and_nothing_is_made_up(points: list[tuple[float, float]]) -> None:
    times_s = np.cumsum([gap for gap, _ in points])
    values = np.array([value for _, value in points])
    kept = choose_kept_indices(times_s, values, BUCKETS)

    assert list(kept) == sorted(set(kept.tolist()))
    assert {0, len(points) - 1} <= set(kept.tolist())
    assert len(kept) <= 2 * BUCKETS + 2
    if len(points) <= 2 * BUCKETS:
        assert len(kept) == len(points)
    length_s = times_s[-1] - times_s[0]
    bucket = (
        np.zeros(len(values), dtype=int)
        if length_s == 0
        else np.minimum(((times_s - times_s[0]) / length_s * BUCKETS).astype(int), BUCKETS - 1)
    )
    for one in set(bucket.tolist()):
        inside = values[bucket == one]
        shown = values[kept[bucket[kept] == one]]
        assert (shown.min(), shown.max()) == (inside.min(), inside.max())


def test_a_spike_of_one_sample_in_a_day_stays() -> None:
    values = np.full(864_000, 80.0)
    values[123_456] = 700.0
    kept = choose_kept_indices(np.arange(864_000) / 10, values)
    assert 123_456 in kept
    assert len(kept) <= 1602


@pytest.mark.parametrize("count", [1, 2, 16])
def test_few_points_all_stay(count: int) -> None:
    assert len(choose_kept_indices(np.arange(count), np.zeros(count), 8)) == count
