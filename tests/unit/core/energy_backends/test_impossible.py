"""What a source makes up costs its own number, and nothing else."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from llenergymeasure.core.energy_backends.combined.backend import CompositeBackend
from llenergymeasure.core.energy_backends.combined.part import Part
from llenergymeasure.core.energy_backends.impossible import refuse_impossible
from llenergymeasure.core.energy_backends.supervised import stop_supervised
from llenergymeasure.domain.conditions import DeviceConditions, Spread
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    Evidence,
    MeasurementWindow,
    Uncertainty,
)
from llenergymeasure.domain.validity import ReasonCode

WINDOW = MeasurementWindow.between(1, 2, datetime(2030, 1, 1, tzinfo=UTC))


def read(name: str, **changes: Any) -> DomainReading:
    sound = DomainReading(
        name=name,
        scope=EnergyScope.MACHINE,
        method=EnergyMethod.COUNTER,
        joules=7.0,
        window=WINDOW,
    )
    # As our own backends do: a copy is not looked at.
    return sound.model_copy(update=changes)


IMPOSSIBLE = [
    {"joules": -5.0},
    {"joules": math.nan},
    {"joules": math.inf},
    {"uncertainty_j": math.nan},
    {"uncertainty": Uncertainty.model_construct(gain_j=-1.0)},
    {"evidence": Evidence.model_construct(witness_j=math.inf)},
    {"window": WINDOW.model_copy(update={"end_monotonic_ns": 0})},
    {"window": WINDOW.model_copy(update={"duration_s": -1.0})},
]


class Source:
    """Says what it is told, or builds a record in stop() as a plug-in would."""

    def __init__(self, reading: EnergyReading | None) -> None:
        self.reading = reading

    def prepare(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> EnergyReading:
        if self.reading is not None:
            return self.reading
        made_up = DomainReading(
            name="cpu", scope=EnergyScope.MACHINE, method=EnergyMethod.COUNTER, joules=-5.0
        )
        return EnergyReading(backend="toy", domains=(made_up,))

    def close(self) -> None: ...


def reading(*domains: DomainReading, **changes: Any) -> EnergyReading:
    return EnergyReading(backend="toy").model_copy(update={"domains": domains, **changes})


@pytest.mark.parametrize("changes", IMPOSSIBLE)
def test_a_domain_has_no_number_and_says_why(changes: dict[str, Any]) -> None:
    found = stop_supervised(Source(reading(read("cpu", **changes), read("ram"))), "toy")
    cpu, ram = found.domains
    assert (cpu.joules, cpu.method, cpu.expected) == (None, None, True)
    assert cpu.reason is not None
    assert next(iter(changes)) in cpu.reason
    assert [finding.code for finding in cpu.findings] == [ReasonCode.IMPOSSIBLE_VALUE]
    assert ram == read("ram")
    assert EnergyReading.model_validate_json(found.model_dump_json()) == found


def test_one_of_several_sources_leaves_the_others() -> None:
    backend = CompositeBackend(
        [
            Part("toy", Source(reading(read("cpu")))),
            Part("other", Source(reading(read("ram", joules=math.nan)))),
        ]
    )
    backend.prepare()
    backend.start()
    found = {domain.name: domain.joules for domain in backend.stop().domains}
    assert found == {"cpu": 7.0, "ram": None}


def test_a_record_that_is_refused_while_it_is_made_is_told_in_one_line() -> None:
    (domain,) = stop_supervised(Source(None), "toy").domains
    assert domain.joules is None
    assert domain.reason == (
        "toy failed to stop: it gave a value that cannot be: "
        "joules: Input should be greater than or equal to 0 (it is -5.0)"
    )


def test_conditions_and_emissions_go_alone() -> None:
    hot = Spread(min=1.0, mean=4294967295.0, max=4294967295.0, n=2)
    seen = DeviceConditions(device="gpu:0").model_copy(update={"temperature_c": hot})
    kept = DeviceConditions(device="gpu:1")
    found = refuse_impossible(reading(read("cpu"), conditions=(seen, kept), emissions_kg_co2=-1.0))
    assert found.domains == (read("cpu"),)
    assert found.conditions == (kept,)
    assert (found.emissions_kg_co2, found.emissions_reason) == (None, "toy gave -1.0 kg")


def test_what_can_be_is_left_alone() -> None:
    sound = reading(read("cpu"), read("ram", joules=0.0))
    assert refuse_impossible(sound) is sound
