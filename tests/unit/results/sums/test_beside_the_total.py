"""A domain that holds others (psys) is shown beside the total: no state of it changes any sum."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import START, domain, raw, trace, window

from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod, DomainBaseline
from llenergymeasure.domain.energy import DomainReading
from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.results.aggregation import aggregate
from llenergymeasure.results.sums.energy import reading_metrics

WHY = Reason(code=ReasonCode.ENERGY_UNAVAILABLE, detail="it was asked and had nothing")
IDLE = DomainBaseline(
    name="cpu", level=BaselineLevel.LOADED, method=BaselineMethod.FRESH, power_w=1.0,
    spread_w=0.1, uncertainty_w=0.1, duration_s=5.0, measured_at=START,
)  # fmt: skip
BESIDE = [
    None,
    domain(90.0, "psys", counted=False, window=window()),
    domain(None, "psys", counted=False),
    domain(None, "psys", counted=False, expected=False),
    domain(90.0, "psys", counted=False, instead_of=(WHY,), window=window()),
]
COUNTED = [
    domain(10.0, window=window(), uncertainty_j=1.0),
    domain(None),
    domain(None, expected=False),
]


def total(*raws: RawProcessResult) -> AggregatedResult:
    return aggregate(
        raws,
        {(one.cycle, one.process_index): [trace(0), trace(1)] for one in raws},
        planned_cycles=len({one.cycle for one in raws}),
        config={},
        provenance={},
        created_at=START,
        aggregated_at=START,
    )


def sums(result: AggregatedResult) -> dict[str, Any]:
    energy = result.metrics.energy.model_dump(exclude={"domains", "reason"})
    return {
        "energy": energy,
        "validity": result.validity.status,
        "codes": {reason.code for reason in result.validity.reasons},
        "cycles": [one.model_dump(exclude={"validity"}) for one in result.cycles.values],
    }


@given(
    st.lists(st.tuples(st.sampled_from(COUNTED), st.sampled_from(BESIDE)), min_size=4, max_size=4),
    st.booleans(),
)
def test_no_state_of_it_changes_a_sum_or_a_verdict(
    parts: list[tuple[DomainReading, DomainReading | None]], two_hosts: bool
) -> None:
    """Two cycles of two processes, on one host or on two; each reads its CPU, or cannot."""
    alone, with_it = [], []
    for place, (cpu, beside) in enumerate(parts):
        cycle, process = place // 2 + 1, place % 2
        host = f"host{process if two_hosts else 0}"
        more: dict[str, Any] = {"of": 2, "host": host, "baseline": (IDLE,)}
        more["energy"] = {"emissions_kg_co2": 0.1, "emissions_reason": None}
        alone.append(raw(cycle, process, domains=[cpu], **more))
        domains = [cpu] if beside is None else [beside, cpu]
        with_it.append(raw(cycle, process, domains=domains, **more))
    assert sums(total(*with_it)) == sums(total(*alone))


@pytest.mark.parametrize("beside", BESIDE[1:])
@pytest.mark.parametrize("cpu", COUNTED)
def test_nor_in_one_reading(cpu: DomainReading, beside: DomainReading) -> None:
    alone, with_it = (
        reading_metrics(raw(domains=domains).energy).model_dump(exclude={"domains", "reason"})
        for domains in ([cpu], [beside, cpu])
    )
    assert with_it == alone


def test_a_host_of_which_only_that_was_read_was_not_read() -> None:
    """One that reads psys and nothing else leaves a hole, as one that reads nothing."""
    first = raw(1, 0, of=2, host="a", domains=[domain(10.0)])
    second = raw(1, 1, of=2, host="b", domains=[BESIDE[1]])
    found = total(first, second).metrics.energy
    assert found.total_j is None
    assert "host b was not read" in str(found.reason)
