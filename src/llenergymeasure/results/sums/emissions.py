"""Adding up emissions: the same joules are never charged twice."""

from __future__ import annotations

from collections.abc import Sequence

from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.results.sums.domains import Place, place


def sum_emissions(
    raws: Sequence[RawProcessResult], *, complete: bool
) -> tuple[float | None, str | None]:
    """Kg of CO2-equivalent of all readings, or None and why.

    A source gives one number for all of its domains, so a reading counts as a whole or not at
    all: of processes that read the same domains only one counts.

    Args:
        raws: The results of one or several cycles.
        complete: False when a domain is missing, so that the sum would be too small.
    """
    if not complete:
        return None, "a part of the energy is missing"
    total = 0.0
    taken: set[tuple[int, Place]] = set()
    reading = [raw for raw in raws if raw.energy.domains]
    for raw in sorted(reading, key=_order):
        read = (d for d in raw.energy.domains if d.joules is not None and d.counted)
        places = {(raw.cycle, place(domain, raw)) for domain in read}
        if places <= taken:
            continue
        if places & taken:
            return None, "processes share a part of their domains, which cannot be told apart"
        if raw.energy.emissions_kg_co2 is None:
            return None, raw.energy.emissions_reason or "the source does not say"
        taken |= places
        total += raw.energy.emissions_kg_co2
    if taken:
        return total, None
    reasons = [raw.energy.emissions_reason for raw in raws if raw.energy.emissions_reason]
    return None, reasons[0] if reasons else "no energy was read"


def _order(raw: RawProcessResult) -> tuple[int, bool, int]:
    return raw.cycle, raw.energy.emissions_kg_co2 is None, raw.process_index
