from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.gpu.signal.power_changes import PowerSensor
from llenergymeasure.core.energy_backends.gpu.signal.power_integral import integrate
from llenergymeasure.core.energy_backends.gpu.signal.reads import PowerReads
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Period

MS = 1_000_000
QUICK = PowerSensor(Period(20 * MS))


def reads(every_ms: int, powers_w: list[float]) -> PowerReads:
    times_ns = np.arange(len(powers_w), dtype=np.int64) * every_ms * MS
    return PowerReads(times_ns, times_ns.copy(), np.array(powers_w, dtype=np.float64))


def test_constant_power_is_power_times_time() -> None:
    found = integrate(reads(10, [350.0] * 500), 1000 * MS, 3500 * MS, QUICK)
    assert found is not None
    assert found.joules == pytest.approx(875.0)
    assert found.uncertainty_j == pytest.approx(0.001 * 2.5)
    assert found.longest_gap_ns == 10 * MS


def test_a_step_is_put_half_an_update_before_it_showed_and_the_rest_is_uncertainty() -> None:
    power = reads(10, [100.0] * 100 + [500.0] * 100)
    found = integrate(power, 0, 1500 * MS, QUICK)
    assert found is not None
    # Between the reads at 990 and 1000 ms, so on average at 985 ms.
    assert found.joules == pytest.approx(0.985 * 100 + 0.515 * 500)
    assert found.uncertainty_j == pytest.approx(400 * (0.010 + 0.020) / 2 + 0.0015)


def test_an_average_leaves_its_length_open_at_both_ends() -> None:
    average = PowerSensor(Period(20 * MS), averaging_ns=1000 * MS)
    found = integrate(reads(10, [200.0] * 1000), 2000 * MS, 7000 * MS, average)
    assert found is not None
    assert found.joules == pytest.approx(1000.0)
    assert found.uncertainty_j == pytest.approx(200.0, rel=0.01)


@pytest.mark.parametrize("powers_w", [[], [1.0]])
def test_too_few_reads_give_nothing(powers_w: list[float]) -> None:
    assert integrate(reads(10, powers_w), 0, 100, QUICK) is None


def test_an_empty_window_gives_nothing() -> None:
    assert integrate(reads(10, [1.0] * 9), 50 * MS, 50 * MS, QUICK) is None


def test_the_longest_gap_counts_from_the_ends_too() -> None:
    found = integrate(reads(10, [1.0] * 10), 50 * MS, 900 * MS, QUICK)
    assert found is not None
    assert found.longest_gap_ns == 810 * MS


def test_what_went_unseen_between_late_reads_widens_the_interval() -> None:
    power = reads(10, [100.0] * 100 + [500.0] * 100)
    late = np.delete(np.arange(200), range(30, 40))
    sparse = PowerReads(power.before_ns[late], power.after_ns[late], power.power_w[late])
    seen, unseen = (integrate(each, 0, 1500 * MS, QUICK) for each in (power, sparse))
    assert seen is not None
    assert unseen is not None
    assert unseen.joules == pytest.approx(seen.joules)
    # 110 ms between two reads, of which an update of 20 ms is seen; 400 W may have come and gone.
    assert unseen.uncertainty_j - seen.uncertainty_j == pytest.approx(400 * 0.090)
    assert unseen.scatter_j >= seen.scatter_j
    assert unseen.longest_gap_ns == 110 * MS


def test_a_read_that_took_long_leaves_open_when_it_was() -> None:
    power = reads(10, [100.0] * 100 + [500.0] * 100)
    power.before_ns[100] -= 8 * MS
    power.after_ns[100] += 1 * MS
    found = integrate(power, 0, 1500 * MS, QUICK)
    assert found is not None
    # The change showed between 990 and 1001 ms.
    assert found.uncertainty_j == pytest.approx(400 * (0.011 + 0.020) / 2 + 0.0015)


def test_a_sensor_that_may_be_slow_is_taken_for_quick_and_leaves_much_open() -> None:
    power = reads(10, [100.0] * 100 + [500.0] * 100)
    found = integrate(power, 0, 1500 * MS, PowerSensor())
    assert found is not None
    assert found.joules == pytest.approx(0.985 * 100 + 0.515 * 500)
    assert found.uncertainty_j == pytest.approx(400 * (0.985 - 0.890) + 0.0015)


def test_a_window_after_the_last_read_has_no_number() -> None:
    power = reads(10, [100.0] * 20)
    assert integrate(power, 191 * MS, 400 * MS, QUICK) is None
    at_the_last = integrate(power, 190 * MS, 191 * MS, QUICK)
    assert at_the_last is not None
    assert at_the_last.joules == pytest.approx(0.1)


def test_what_lies_beyond_the_reads_is_open() -> None:
    powers_w = [100.0] * 10 + [500.0] * 10
    power = reads(10, powers_w)
    to_the_end, beyond = (integrate(power, 0, end * MS, QUICK) for end in (190, 390))
    assert to_the_end is not None
    assert beyond is not None
    # 200 ms at the last level, in which it may have been back at the lowest.
    assert beyond.joules - to_the_end.joules == pytest.approx(500 * 0.2)
    assert beyond.uncertainty_j - to_the_end.uncertainty_j == pytest.approx(400 * 0.2, rel=0.01)


POWERS = st.lists(st.floats(0, 1000), min_size=20, max_size=60)
CUTS = st.tuples(*[st.integers(0, 500 * MS)] * 3).map(sorted)


@given(POWERS, CUTS, st.booleans())
def test_splitting_a_window_changes_no_joule(
    powers_w: list[float], cuts: list[int], regular: bool
) -> None:
    sensor = QUICK if regular else PowerSensor()
    power = reads(10, powers_w)
    start, middle, end = cuts
    found = integrate(power, start, middle, sensor), integrate(power, middle, end, sensor)
    if start < middle < end and None in found:
        assert middle > power.after_ns[-1]
        return
    parts = [part.joules if part else 0.0 for part in found]
    whole = integrate(power, start, end, sensor)
    assert sum(parts) == pytest.approx(whole.joules if whole else 0.0, abs=1e-6)


@example([0.0] * 20, [190 * MS, 190 * MS, 190 * MS + 1])
@given(POWERS, CUTS)
def test_joules_lie_between_the_lowest_and_the_highest_power(
    powers_w: list[float], cuts: list[int]
) -> None:
    start, _, end = cuts
    power = reads(10, powers_w)
    found = integrate(power, start, end, QUICK)
    # It was read at the window's very start, or it was not: one nanosecond is a window too.
    assert (found is None) == (end == start or start > power.after_ns[-1])
    if found is None:
        return
    seconds = (end - start) / 1e9
    assert min(powers_w) * seconds - 1e-6 <= found.joules <= max(powers_w) * seconds + 1e-6
    assert found.uncertainty_j >= 0
