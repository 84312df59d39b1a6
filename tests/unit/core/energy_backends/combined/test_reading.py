from __future__ import annotations

from llenergymeasure.core.energy_backends.combined.ownership import Ownership
from llenergymeasure.core.energy_backends.combined.reading import assemble_reading
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyReading, EnergyScope


def test_a_domain_that_holds_others_costs_no_emissions() -> None:
    """A source's emissions are of what adds up, so they hold where all of that is counted."""
    cpu, psys = (
        DomainReading(
            name=name,
            scope=EnergyScope.MACHINE,
            method=EnergyMethod.COUNTER,
            joules=5.0,
            counted=counted,
        )
        for name, counted in (("cpu", True), ("psys", False))
    )
    reading = EnergyReading(backend="a", domains=(cpu, psys), emissions_kg_co2=0.5)
    ownership = Ownership({"cpu": "a", "psys": "a"}, {}, {})
    assert assemble_reading({"a": reading}, ownership).emissions_kg_co2 == 0.5
