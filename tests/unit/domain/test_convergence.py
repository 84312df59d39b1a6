"""When a warm-up may end."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.domain.convergence import has_converged, temperatures_steady, variation

TIMES = st.lists(st.floats(0.001, 1e6), max_size=30)
WINDOWS = st.integers(3, 20)


@given(TIMES, WINDOWS)
def test_only_the_last_window_counts(times: list[float], window: int) -> None:
    found = variation(times, window)
    if len(times) < window:
        assert found is None
    else:
        last = times[-window:]
        assert found == pytest.approx(statistics.stdev(last) / statistics.mean(last), abs=1e-9)
        assert variation(last, window) == found


@given(TIMES, WINDOWS, st.floats(0.001, 1000))
def test_the_unit_of_time_does_not_matter(times: list[float], window: int, unit: float) -> None:
    scaled = variation([t * unit for t in times], window)
    assert scaled == pytest.approx(variation(times, window), abs=1e-9)


@given(st.floats(0.001, 1e6), WINDOWS, st.integers(1, 30))
def test_steady_times_converge_as_soon_as_there_are_enough(
    each: float, window: int, least: int
) -> None:
    rule = {"window": window, "least": max(window, least), "threshold": 1e-6}
    first = next(n for n in range(100) if has_converged([each] * n, **rule))
    assert first == max(window, least)


@given(TIMES, WINDOWS)
def test_a_higher_threshold_is_never_harder_to_meet(times: list[float], window: int) -> None:
    def met(threshold: float) -> bool:
        return has_converged(times, window=window, least=window, threshold=threshold)

    assert [met(t) for t in (0.01, 0.1, 1.0)] == sorted(met(t) for t in (0.01, 0.1, 1.0))


@given(st.floats(0.1, 1e3), WINDOWS)
def test_a_cold_start_is_waited_out(each: float, window: int) -> None:
    times = [each * 10]
    while not has_converged(times, window=window, least=window, threshold=0.05):
        times.append(each)
    assert len(times) == window + 1


def test_the_threshold_itself_is_not_met() -> None:
    times = [9.0, 10.0, 11.0]
    assert variation(times, 3) == 0.1
    assert not has_converged(times, window=3, least=3, threshold=0.1)
    assert has_converged(times, window=3, least=3, threshold=0.1001)


def test_times_of_zero_are_no_convergence() -> None:
    assert variation([0.0] * 5, 5) is None
    assert not has_converged([0.0] * 5, window=5, least=5, threshold=1.0)


def track(*temperatures: float, every_s: float = 4.0):
    return [(i * every_s, {"gpu:0": t}) for i, t in enumerate(temperatures)]


@pytest.mark.parametrize(
    ("temperatures", "steady"),
    [
        ((50.0, 50.0, 50.0), None),  # 8 s
        ((50.0, 50.0, 50.0, 50.0), True),  # 12 s
        ((30.0, 40.0, 50.0, 60.0), False),
        ((30.0, 59.0, 60.0, 60.0, 60.0), True),  # what was before 12 s ago does not count
        ((60.0, 61.0, 60.0, 61.0), True),  # a sensor's last digit
        ((60.0, 59.0, 58.0, 57.0), False),  # cooling down is a change too
    ],
)
def test_a_temperature_is_steady_over_ten_seconds(
    temperatures: tuple[float, ...], steady: bool | None
) -> None:
    assert temperatures_steady(track(*temperatures), 3) is steady


def test_slow_iterations_must_be_as_many_as_the_window() -> None:
    assert temperatures_steady(track(50.0, 50.0, 50.0, every_s=60), 3) is None
    assert temperatures_steady(track(50.0, 50.0, 50.0, 50.0, every_s=60), 3) is True


def test_one_device_that_warms_up_is_enough() -> None:
    seen = [(float(t), {"gpu:0": 50.0, "gpu:1": 40.0 + t}) for t in range(12)]
    assert temperatures_steady(seen, 3) is False


def test_without_a_sensor_nothing_is_said() -> None:
    assert temperatures_steady([], 3) is None
    assert temperatures_steady([(float(t), {}) for t in range(20)], 3) is None
    lost = [(float(t), {"gpu:0": 50.0} if t < 15 else {"gpu:1": 50.0}) for t in range(20)]
    assert temperatures_steady(lost, 3) is None
