from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyScope,
    Evidence,
    MeasurementWindow,
    Uncertainty,
)
from llenergymeasure.domain.resolution import Resolution, resolution_of, shortest_window_s

COUNTER, INTEGRATED = EnergyMethod.COUNTER, EnergyMethod.INTEGRATED


def domain(method: EnergyMethod | None, evidence: Evidence | None, **changes: Any) -> DomainReading:
    window = MeasurementWindow(
        start_monotonic_ns=0,
        end_monotonic_ns=500_000_000,
        start_utc=datetime(2030, 1, 1, tzinfo=UTC),
        duration_s=0.5,
    )
    fields: dict[str, Any] = {"joules": None if method is None else 50.0, "window": window}
    return DomainReading(
        name="gpu:0",
        scope=EnergyScope.DEVICE,
        method=method,
        evidence=evidence,
        **fields | changes,
    )


def test_the_published_example() -> None:
    # A counter of 100 ms that is read anywhere: 2 % at 10 s, so 1 % at 20 s.
    found = resolution_of(domain(COUNTER, Evidence(counter_update_ms=100.0)))
    assert (found.update_ms, found.aligned, found.open_ms) == (100, False, 200)
    assert found.shortest_window_s == pytest.approx(20)


@given(
    update_s=st.floats(1e-4, 1), swing=st.floats(0.01, 1), error=st.floats(0.001, 0.1),
    power_w=st.floats(1, 1000),
)  # fmt: skip
def test_the_worst_case_over_that_window_errs_by_just_that_much(
    update_s: float, swing: float, error: float, power_w: float
) -> None:
    window_s = shortest_window_s(2 * update_s, swing=swing, error=error)
    wrong_j = 2 * update_s * swing * power_w
    assert wrong_j / (window_s * power_w) == pytest.approx(error)


def test_aligned_edges_leave_the_observed_slack_and_an_update_of_power() -> None:
    evidence = Evidence(counter_update_ms=100.0, power_update_ms=20.0, tail_j=0.0)
    # 0.1 J at 100 W are 1 ms.
    found = resolution_of(domain(COUNTER, evidence, uncertainty=Uncertainty(edge_j=0.1)))
    assert found.aligned
    assert (found.update_ms, found.open_ms) == (100, pytest.approx(21))
    assert found.shortest_window_s == pytest.approx(2.1)


def test_power_that_did_not_change_is_taken_to_be_as_slow_as_the_counter() -> None:
    evidence = Evidence(counter_update_ms=100.0, tail_j=0.0)
    found = resolution_of(domain(COUNTER, evidence, uncertainty=Uncertainty(edge_j=0.1)))
    assert found.open_ms == pytest.approx(101)


def test_integrated_power_goes_by_its_own_updates() -> None:
    evidence = Evidence(counter_update_ms=1.0, power_update_ms=25.0)
    found = resolution_of(domain(INTEGRATED, evidence))
    assert (found.update_ms, found.shortest_window_s) == (25, pytest.approx(5))


@pytest.mark.parametrize(
    "reading",
    [
        domain(EnergyMethod.ESTIMATED, Evidence(power_update_ms=10.0)),
        domain(None, Evidence(counter_update_ms=10.0), reason="lost"),
        domain(COUNTER, None),
        domain(COUNTER, Evidence()),
    ],
)
def test_what_was_not_seen_is_none(reading: DomainReading) -> None:
    assert resolution_of(reading) == Resolution()


@pytest.mark.parametrize(
    "changes",
    [{"uncertainty": None}, {"joules": 0.0}, {"window": None}, {"uncertainty": Uncertainty()}],
)
def test_aligned_edges_that_say_nothing_of_themselves_promise_nothing(
    changes: dict[str, Any],
) -> None:
    evidence = Evidence(counter_update_ms=100.0, power_update_ms=20.0, tail_j=0.0)
    fields = {"uncertainty": Uncertainty(edge_j=0.1), **changes}
    found = resolution_of(domain(COUNTER, evidence, **fields))
    assert (found.update_ms, found.open_ms, found.shortest_window_s) == (100, None, None)
