from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.domain.statistics import cycle_stats

# Two-sided 95 % points of Student's t, from any printed table.
T_975 = {1: 12.7062, 2: 4.3027, 4: 2.7764, 9: 2.2622, 29: 2.0452}


def test_no_value_has_no_spread() -> None:
    assert cycle_stats([]) is None
    assert cycle_stats([None, None]) is None


def test_one_value_has_a_mean_only() -> None:
    found = cycle_stats([None, 3.0])
    assert found is not None
    assert (found.mean, found.std, found.ci95, found.cv, found.n) == (3.0, None, None, None, 1)


@pytest.mark.parametrize("degrees", T_975)
def test_the_interval_is_students(degrees: int) -> None:
    n = degrees + 1
    values = [float(i) for i in range(n)]
    found = cycle_stats(values)
    assert found is not None
    assert found.std is not None
    assert found.ci95 is not None
    half = (found.ci95[1] - found.ci95[0]) / 2
    assert half == pytest.approx(T_975[degrees] * statistics.stdev(values) / n**0.5, rel=1e-4)
    assert sum(found.ci95) / 2 == pytest.approx(found.mean)


def test_equal_values_have_no_width() -> None:
    found = cycle_stats([2.0, 2.0, 2.0])
    assert found is not None
    assert (found.std, found.ci95, found.cv) == (0.0, (2.0, 2.0), 0.0)


def test_a_mean_of_zero_has_no_cv() -> None:
    found = cycle_stats([-1.0, 1.0])
    assert found is not None
    assert found.cv is None


@given(st.lists(st.none() | st.floats(0.001, 1e6), max_size=12))
def test_missing_values_are_left_out_and_not_zero(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    found = cycle_stats(values)
    assert found == cycle_stats(known)
    if found is None:
        return
    assert found.n == len(known)
    assert found.mean == pytest.approx(statistics.fmean(known))
    if found.std is not None:
        assert found.std == pytest.approx(statistics.stdev(known), rel=1e-6, abs=1e-6)
        assert found.cv == pytest.approx(found.std / found.mean)
