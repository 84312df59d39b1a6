"""The sum of one counter on a virtual clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.rapl.counter_sum import (
    FROZEN_AFTER_NS,
    HELD_UP_NS,
    MOST_W,
    SMALLEST_RANGE_UJ,
    STOPPED_AFTER_NS,
    CounterSum,
)
from llenergymeasure.core.energy_backends.rapl.zones import Kind
from llenergymeasure.domain.validity import Reason, ReasonCode

FILE = Path("intel-rapl:0/energy_uj")
MS = 1_000_000
S = 1_000_000_000
J = 1_000_000


def summed(
    readings: list[tuple[int, int]],
    range_uj: int | None = SMALLEST_RANGE_UJ,
    kind: Kind = "cpu",
) -> CounterSum:
    count = CounterSum(FILE, kind, range_uj)
    for at_ns, value_uj in readings:
        count.add(at_ns, value_uj)
    return count


def fault_of(count: CounterSum) -> ReasonCode | None:
    return count.fault.code if count.fault else None


def test_a_sum_without_a_wrap() -> None:
    count = summed([(0, 10 * J), (100 * MS, 13 * J), (200 * MS, 13 * J + 1)])
    assert (count.total_uj, count.wraps, count.samples) == (3 * J + 1, 0, 3)
    assert count.longest_gap_ns == 100 * MS
    assert count.fault is None


def test_one_wrap_and_two() -> None:
    top = SMALLEST_RANGE_UJ
    one = summed([(0, top - 5), (100 * MS, 7)])
    assert (one.total_uj, one.wraps, one.fault) == (12, 1, None)
    # 30 kJ a reading, far more than a processor draws, and always so: a tree in fast motion.
    step = 30_000 * J
    values = [(k * 100 * MS, (top - 5 + k * step) % top) for k in range(6)]
    two = summed(values)
    assert (two.total_uj, two.wraps, two.fault) == (5 * step, 3, None)


@given(
    range_uj=st.integers(SMALLEST_RANGE_UJ, 10**12),
    start=st.floats(0, 1, exclude_max=True),
    watts=st.lists(st.floats(0.01, MOST_W["cpu"]), min_size=1, max_size=40),
    gaps_ms=st.lists(st.integers(1, 60_000), min_size=40, max_size=40),
)
def test_what_a_processor_can_draw_is_summed_exactly(
    range_uj: int, start: float, watts: list[float], gaps_ms: list[int]
) -> None:
    """Any sequence of powers and readings with less than a range between two of them."""
    at_ns, energy_uj = 0, int(start * range_uj)
    first_uj, count = energy_uj, CounterSum(FILE, "cpu", range_uj)
    count.add(at_ns, energy_uj % range_uj)
    for power_w, gap_ms in zip(watts, gaps_ms, strict=False):
        at_ns += gap_ms * MS
        energy_uj += int(power_w * gap_ms * 1000)
        count.add(at_ns, energy_uj % range_uj)
    assert count.fault is None, count.fault
    assert count.total_uj == energy_uj - first_uj
    assert count.wraps == energy_uj // range_uj - first_uj // range_uj


@given(
    range_uj=st.integers(10, 10**12),
    steps=st.lists(st.floats(0, 0.99), min_size=1, max_size=40),
    gaps_ms=st.lists(st.integers(1, 400), min_size=40, max_size=40),
)
def test_the_sum_is_exact_or_refused(range_uj: int, steps: list[float], gaps_ms: list[int]) -> None:
    """Whatever the counter does: no sum but the true one, as long as no range lies in a gap."""
    at_ns = energy_uj = 0
    count = CounterSum(FILE, "cpu", range_uj)
    count.add(0, 0)
    for share, gap_ms in zip(steps, gaps_ms, strict=False):
        at_ns += gap_ms * MS
        energy_uj += int(share * range_uj)
        count.add(at_ns, energy_uj % range_uj)
    assert count.fault is not None or count.total_uj == energy_uj


@given(st.lists(st.integers(0, 100 * J), min_size=3, max_size=20), st.data())
def test_splitting_a_window_never_changes_the_sum(steps: list[int], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, SMALLEST_RANGE_UJ - 1))
    readings, energy = [(0, start)], start
    for place, step in enumerate(steps, start=1):
        energy += step
        readings.append((place * 100 * MS, energy % SMALLEST_RANGE_UJ))
    cut = data.draw(st.integers(1, len(readings) - 2))
    parts = summed(readings[: cut + 1]).total_uj + summed(readings[cut:]).total_uj
    assert parts == summed(readings).total_uj == sum(steps)


@pytest.mark.parametrize("range_uj", [None, 1000])
def test_a_step_downwards_is_no_wrap_where_the_range_is_not_known(range_uj: int | None) -> None:
    """A range below what the counter shows is none."""
    count = summed([(0, 50 * J), (100 * MS, 60 * J), (200 * MS, 5)], range_uj)
    assert fault_of(count) is ReasonCode.COUNTER_WRAP_RISK
    assert "60000000 to 5 uJ" in (count.fault or Reason(code=ReasonCode.NO_GPU, detail="")).detail


@pytest.mark.parametrize("range_uj", [None, 1000])
def test_a_sum_needs_no_range_while_the_counter_rises(range_uj: int | None) -> None:
    count = summed([(0, 50 * J), (100 * MS, 60 * J)], range_uj)
    assert (count.total_uj, count.fault) == (10 * J, None)


def test_a_wrap_by_a_range_that_turns_out_wrong_is_taken_back() -> None:
    count = summed([(0, 990), (100 * MS, 10), (200 * MS, 5000)], range_uj=1000)
    assert fault_of(count) is ReasonCode.COUNTER_WRAP_RISK


@pytest.mark.parametrize(
    ("gap_s", "range_uj", "kind", "risk"),
    [
        (65, SMALLEST_RANGE_UJ, "cpu", False),
        (66, SMALLEST_RANGE_UJ, "cpu", True),
        (66, None, "cpu", True),
        (262, 262_143_328_850, "cpu", False),
        (263, 262_143_328_850, "cpu", True),
        (6.5, SMALLEST_RANGE_UJ, "psys", False),
        (6.6, SMALLEST_RANGE_UJ, "psys", True),
    ],
)
def test_a_gap_in_which_a_wrap_can_hide(
    gap_s: float, range_uj: int | None, kind: Kind, risk: bool
) -> None:
    readings = [(0, 0), (100 * MS, 10 * J), (100 * MS + int(gap_s * S), 20 * J)]
    count = summed(readings, range_uj, kind)
    assert fault_of(count) == (ReasonCode.COUNTER_WRAP_RISK if risk else None)


def test_a_counter_that_ran_faster_than_any_keeps_its_own_measure() -> None:
    """50 kW until the thread was held up for 1 s: 65 kJ can hide in it."""
    readings = [(k * 100 * MS, k * 5_000 * J) for k in range(5)]
    readings.append((400 * MS + S, 21_000 * J))
    assert fault_of(summed(readings)) is ReasonCode.COUNTER_WRAP_RISK


@pytest.mark.parametrize("gap_ns", [100 * MS, HELD_UP_NS])
def test_usual_gaps_hide_nothing(gap_ns: int) -> None:
    assert summed([(0, 0), (gap_ns, 900)], range_uj=1000).fault is None


@pytest.mark.parametrize("last_uj", [1_000 * J, 30_000 * J, 64_000 * J])
def test_a_counter_that_begins_again_is_no_wrap(last_uj: int) -> None:
    """CodeCarbon makes 64 kJ of the first of these."""
    count = summed([(0, last_uj - 20 * J), (100 * MS, last_uj), (200 * MS, 5 * J)])
    assert fault_of(count) is ReasonCode.COUNTER_RESET


@pytest.mark.parametrize(("before_j", "after_j"), [(30_000, 29_999), (60_000, 20_000)])
def test_a_counter_that_falls_is_no_wrap(before_j: int, after_j: int) -> None:
    readings = [(0, (before_j - 20) * J), (100 * MS, before_j * J), (200 * MS, after_j * J)]
    assert fault_of(summed(readings)) is ReasonCode.COUNTER_BACKWARDS


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_counter_that_stands_still_for_a_part_of_the_window(place: int) -> None:
    values = [10, 20, 30, 40]
    values[place + 1] = values[place]
    held = [(0, values[0])]
    for step, value in enumerate(values[1:]):
        before_ns = held[-1][0]
        length_ns = STOPPED_AFTER_NS if step == place else FROZEN_AFTER_NS
        held.append((before_ns + length_ns, value))
    assert fault_of(summed(held)) is ReasonCode.COUNTER_FROZEN
    shorter = [(at_ns - (at_ns >= STOPPED_AFTER_NS), value) for at_ns, value in held]
    assert summed(shorter).fault is None


def test_a_frozen_counter() -> None:
    assert fault_of(summed([(0, 5), (FROZEN_AFTER_NS, 5)])) is ReasonCode.COUNTER_FROZEN
    assert summed([(0, 5), (FROZEN_AFTER_NS - 1, 5)]).fault is None


def test_a_counter_that_stays_at_0_has_nothing_behind_it() -> None:
    empty = summed([(0, 0), (MS, 0)])
    assert not empty.fed
    assert fault_of(empty) is ReasonCode.COUNTER_FROZEN
    assert summed([(0, 0), (MS, 1)]).fed


def test_the_first_fault_stays_and_ends_the_sum() -> None:
    count = summed([(0, 0), (MS, 10)])
    count.fail(Reason(code=ReasonCode.RAPL_UNREADABLE, detail="first"))
    count.fail(Reason(code=ReasonCode.SAMPLES_MISSING, detail="second"))
    count.add(2 * MS, 20)
    assert fault_of(count) is ReasonCode.RAPL_UNREADABLE
    assert (count.total_uj, count.samples, count.failed) == (10, 2, True)


def test_the_fastest_stretch() -> None:
    readings = [
        (0, 0),
        (100 * MS, 1 * J),
        (101 * MS, 2 * J),
        (201 * MS, 12 * J),
        (301 * MS, 13 * J),
    ]
    # 1 W-ms apart from its neighbours, a step of the counter would pass for 1 kW.
    assert summed(readings).fastest_w(over_ns=50 * MS) == pytest.approx(11 / 0.101)
    assert summed([(0, 0), (S, 7 * J)]).fastest_w(over_ns=10 * S) == pytest.approx(7.0)
    assert summed([(0, 0)]).fastest_w(over_ns=S) == 0.0
