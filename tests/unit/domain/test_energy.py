from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyScope,
    EnergyTotals,
    total_energy,
)

METHODS = st.sampled_from(EnergyMethod)


def reading(
    joules: float | None, method: EnergyMethod = EnergyMethod.COUNTER, *, expected: bool = True
) -> DomainReading:
    return DomainReading(
        name="cpu",
        scope=EnergyScope.MACHINE,
        method=None if joules is None else method,
        joules=joules,
        expected=expected,
    )


def test_nothing_adds_up_to_nothing() -> None:
    assert total_energy([]) == EnergyTotals(
        total_j=None, partial_j=None, estimated_j=None, measured_share=None
    )


def test_measured_and_integrated_make_the_headline() -> None:
    totals = total_energy([reading(1.0), reading(2.0, EnergyMethod.INTEGRATED)])
    assert (totals.total_j, totals.estimated_j, totals.measured_share) == (3.0, None, 1.0)


def test_estimates_stand_apart() -> None:
    totals = total_energy([reading(3.0), reading(1.0, EnergyMethod.ESTIMATED)])
    assert (totals.total_j, totals.estimated_j, totals.measured_share) == (3.0, 1.0, 0.75)


def test_estimates_alone_are_the_headline() -> None:
    totals = total_energy([reading(2.0, EnergyMethod.ESTIMATED)])
    assert (totals.total_j, totals.estimated_j, totals.measured_share) == (2.0, 2.0, 0.0)


def test_a_missing_domain_voids_the_total() -> None:
    totals = total_energy([reading(2.0), reading(None)])
    assert (totals.total_j, totals.partial_j, totals.missing) == (None, 2.0, ("cpu",))


def test_a_domain_that_is_not_there_voids_nothing() -> None:
    totals = total_energy([reading(2.0), reading(None, expected=False)])
    assert (totals.total_j, totals.missing) == (2.0, ())


def test_no_joules_measured_is_zero_and_not_missing() -> None:
    totals = total_energy([reading(0.0)])
    assert (totals.total_j, totals.partial_j, totals.measured_share) == (0.0, 0.0, None)


READINGS = st.lists(
    st.builds(reading, st.none() | st.floats(0, 1e9), METHODS, expected=st.booleans()),
    max_size=8,
)


@given(READINGS, READINGS)
def test_sums_of_parts_are_the_sum(one: list[DomainReading], other: list[DomainReading]) -> None:
    whole, parts = total_energy(one + other), [total_energy(one), total_energy(other)]
    assert whole.missing == parts[0].missing + parts[1].missing
    estimated = [p.estimated_j for p in parts if p.estimated_j is not None]
    assert (whole.estimated_j is None) == (not estimated)
    if whole.estimated_j is not None:
        assert math.isclose(whole.estimated_j, sum(estimated), rel_tol=1e-9)


@given(READINGS)
def test_a_total_is_there_only_if_nothing_is_missing(readings: list[DomainReading]) -> None:
    totals = total_energy(readings)
    missing = [r for r in readings if r.expected and r.joules is None]
    known = [r for r in readings if r.joules is not None]
    assert (totals.total_j is None) == bool(missing or not known)
    if totals.total_j is not None:
        assert totals.total_j == totals.partial_j
    if totals.measured_share is not None:
        assert 0.0 <= totals.measured_share <= 1.0


@given(READINGS.filter(lambda rs: any(r.joules is not None for r in rs)), st.integers(0, 7))
def test_losing_a_sensor_never_lowers_a_total(readings: list[DomainReading], which: int) -> None:
    lost = which % len(readings)
    after = [reading(None) if i == lost else kept for i, kept in enumerate(readings)]
    assert total_energy(after).total_j is None


def test_a_typo_in_a_record_is_refused() -> None:
    with pytest.raises(ValueError, match="joule"):
        DomainReading(name="x", scope=EnergyScope.DEVICE, method=None, joules=None, joule=3)  # type: ignore[call-arg]
