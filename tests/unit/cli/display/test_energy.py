"""An estimate is called one at every number that is one."""

from __future__ import annotations

from typing import Any

import pytest

from llenergymeasure.cli.display.energy import energy_rows, origin, with_origin
from llenergymeasure.domain.energy import (
    CrossCheck,
    DomainReading,
    EnergyMethod,
    EnergyScope,
    Evidence,
)
from llenergymeasure.domain.experiment import Cycles, EnergyPerCycle
from llenergymeasure.domain.metrics import EnergyMetrics
from llenergymeasure.domain.statistics import CycleStats
from llenergymeasure.domain.validity import Reason, ReasonCode


def domain(name: str, method: EnergyMethod | None, joules: float | None, **more: Any) -> Any:
    return DomainReading(name=name, scope=EnergyScope.MACHINE, method=method, joules=joules, **more)


def metrics(**fields: Any) -> EnergyMetrics:
    known = dict.fromkeys(("total_j", "partial_j", "estimated_j", "measured_share"))
    return EnergyMetrics(**{**known, **fields})


ESTIMATED = metrics(
    total_j=12.0,
    partial_j=12.0,
    estimated_j=12.0,
    measured_share=0.0,
    headline="estimated",
    domains=(
        domain("cpu", EnergyMethod.ESTIMATED, 10.0, origin="CPU load model"),
        domain("ram", EnergyMethod.ESTIMATED, 2.0, origin="5 W a DIMM"),
    ),
    j_per_output_token=0.5,
    j_per_total_token=0.25,
    j_per_request=4.0,
    emissions_kg_co2=0.0012,
    baseline_reason="no idle baseline was measured",
)


def test_every_number_of_an_estimate_says_so() -> None:
    rows = [value for _, value in energy_rows(ESTIMATED) if any(c.isdigit() for c in value)]
    assert len(rows) == 7
    for value in rows:
        assert "estimated" in value, value


def test_measured_joules_stand_apart_from_estimated_ones() -> None:
    mixed = metrics(
        total_j=100.0,
        partial_j=100.0,
        estimated_j=25.0,
        measured_share=0.8,
        headline="measured",
        uncertainty_j=1.5,
        domains=(
            domain("gpu", EnergyMethod.COUNTER, 100.0, uncertainty_j=1.5),
            domain("ram", EnergyMethod.ESTIMATED, 25.0, origin="5 W a DIMM"),
        ),
    )
    values = [value for _, value in energy_rows(mixed)]
    assert values[0] == "100.0 ± 1.5 J (measured)"
    assert values[1] == "gpu: 100.0 ± 1.5 J (measured by a counter)"
    assert values[2] == "ram: 25.00 J (estimated, 5 W a DIMM)"
    assert values[3] == "beside it 25.00 J (estimated); 80.0 % of all is measured"


def test_what_checks_a_number_and_what_could_not_read_it_are_told() -> None:
    why = Reason(code=ReasonCode.RAPL_UNREADABLE, detail="this user may not read energy_uj")
    checks = (
        CrossCheck(source="zeus", joules=99.0, disagreement=-0.01),
        CrossCheck(source="codecarbon", joules=None, reason="no sensor", covers=("gpu:0", "gpu:1")),
    )
    energy = metrics(
        total_j=100.0,
        partial_j=100.0,
        estimated_j=25.0,
        measured_share=0.8,
        headline="measured",
        domains=(
            domain("gpu:0", EnergyMethod.COUNTER, 100.0, evidence=Evidence(cross_checks=checks)),
            domain("psys", EnergyMethod.COUNTER, 150.0, counted=False),
            domain("cpu", EnergyMethod.ESTIMATED, 20.0, instead_of=(why,)),
            domain("ram", EnergyMethod.ESTIMATED, 5.0, instead_of=(why,)),
        ),
    )
    values = [value for _, value in energy_rows(energy)]
    assert "gpu:0 by zeus, as a check: 99.00 J (-1.00 %)" in values
    assert "gpu:0 + gpu:1 by codecarbon, as a check: \N{EN DASH}  (no sensor)" in values
    assert "psys: 150.0 J (measured by a counter; not added up: it holds others)" in values
    assert values.count("estimated because this user may not read energy_uj") == 1


def test_a_lost_domain_leaves_a_dash_with_its_reason_and_a_partial_sum() -> None:
    lost = metrics(
        partial_j=40.0,
        headline="measured",
        reason="gpu:1 has no number",
        domains=(
            domain("gpu:0", EnergyMethod.COUNTER, 40.0),
            domain("gpu:1", None, None, reason="the counter was reset"),
        ),
    )
    values = [value for _, value in energy_rows(lost)]
    assert values[0] == "\N{EN DASH}  (gpu:1 has no number)"
    assert values[1] == "at least 40.00 J (measured), from part of it"
    assert "gpu:1: \N{EN DASH}  (the counter was reset)" in values
    assert dict(energy_rows(lost))["  per request"] == "\N{EN DASH}  (gpu:1 has no number)"


def test_replayed_joules_are_never_called_measured() -> None:
    replayed = metrics(
        total_j=5.0,
        partial_j=5.0,
        headline="measured",
        replayed=True,
        domains=(domain("gpu", EnergyMethod.INTEGRATED, 5.0, origin="replayed constant 50 W"),),
    )
    text = " ".join(value for _, value in energy_rows(replayed))
    assert "measured" not in text
    assert origin(replayed) == "replayed"
    assert "gpu: 5.000 J (replayed constant 50 W)" in text


def three_cycles(**changes: Any) -> Cycles:
    spread = CycleStats(mean=0.5, std=0.004, ci95=(0.49, 0.51), cv=0.008, n=3)
    mean = {
        "mean_j": 729.4,
        "meter_uncertainty_j": 46.7,
        "spread_uncertainty_j": 15.2,
        "std_j": 6.1,
        "n": 3,
    }
    return Cycles(
        n=3,
        values=(),
        stats={"j_per_output_token": spread},
        energy=EnergyPerCycle(**{**mean, **changes}),
    )


SUMMED = metrics(
    total_j=2188.2,
    partial_j=2188.2,
    headline="measured",
    uncertainty_j=140.0,
    relative_uncertainty=0.064,
    j_per_output_token=0.5,
    domains=(domain("gpu:0", EnergyMethod.COUNTER, 2188.2, uncertainty_j=140.0),),
)


def test_of_several_cycles_the_headline_is_one_and_the_sum_says_so() -> None:
    rows = list(energy_rows(SUMMED, three_cycles()))
    assert rows[0] == ("Energy per cycle", "729.4 J (measured)")
    assert rows[2] == ("  sum of 3 cycles", "2,190 \u00b1 140 J (measured)")
    assert "Energy" not in dict(rows)


def test_spread_and_meter_are_told_apart() -> None:
    rows = list(energy_rows(SUMMED, three_cycles()))
    both = "\u00b1 47 J by the meter, \u00b1 15 J spread over 3 cycles; 95 % each (measured)"
    assert rows[1] == ("", both)
    assert ("", "\u00b1: what the meter allows, 95 % (measured)") in rows
    per_token = dict(rows)["  per output token"]
    assert per_token == "0.500 \u00b1 0.032 J (measured); \u00b1 0.010 J spread over 3 cycles"
    one = list(energy_rows(SUMMED, three_cycles(spread_uncertainty_j=None)))
    assert one[1] == ("", "\u00b1 47 J by the meter; 95 % each (measured)")


def test_an_estimate_errs_by_its_model() -> None:
    estimate = SUMMED.model_copy(update={"headline": "estimated"})
    values = [value for _, value in energy_rows(estimate, three_cycles())]
    assert "by the model" in values[1]
    assert not any("meter" in value for value in values)


def test_cycles_without_a_total_have_no_mean() -> None:
    lost = metrics(partial_j=40.0, headline="measured", reason="gpu:1 has no number")
    rows = list(energy_rows(lost, three_cycles(mean_j=None)))
    assert rows[0] == ("Energy per cycle", "\N{EN DASH}  (gpu:1 has no number)")


@pytest.mark.parametrize("text", ["\N{EN DASH}", "3 J"])
def test_a_dash_has_no_origin(text: str) -> None:
    assert ("estimated" in with_origin(text, ESTIMATED)) == (text != "\N{EN DASH}")
