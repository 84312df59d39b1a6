"""Adding up the energy of several processes and cycles, fail-closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyTotals,
    domain_kind,
    total_energy,
)
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.metrics import EnergyMetrics, InferenceMetrics, ratio
from llenergymeasure.results.sums.conditions import merge_conditions
from llenergymeasure.results.sums.domains import kind
from llenergymeasure.results.sums.emissions import sum_emissions
from llenergymeasure.results.sums.merging import merge_domains, sum_if_all

_NO_BASELINE = "no idle baseline was measured"
_OFF = "energy was not measured (energy.backend: none)"

Headline = Literal["measured", "estimated"]


def energy_off(readings: Iterable[EnergyReading]) -> bool:
    """Whether nobody was asked to measure energy."""
    return all(reading.backend == "none" and not reading.domains for reading in readings)


def reading_metrics(reading: EnergyReading) -> EnergyMetrics:
    """The energy of one reading that is divided by nothing (a command, a block of code)."""
    domains = _adding_up(reading.domains)
    totals = _totals(domains, domains)
    headline = _headline(domains)
    uncertainty_j, uncertainty_reason = _uncertainty(domains, headline, totals.total_j)
    return EnergyMetrics(
        total_j=totals.total_j,
        partial_j=totals.partial_j,
        estimated_j=totals.estimated_j,
        measured_share=totals.measured_share,
        baseline_reason=_NO_BASELINE,
        domains=reading.domains,
        boundary=_boundary(domains, headline),
        headline=headline,
        uncertainty_j=uncertainty_j,
        uncertainty_reason=uncertainty_reason,
        relative_uncertainty=ratio(uncertainty_j, totals.total_j or 0.0),
        reason=None if totals.total_j is not None else _why_no_total(domains, [reading], domains),
        replayed=reading.replayed,
        emissions_kg_co2=None if totals.missing else reading.emissions_kg_co2,
        emissions_reason="a part of the energy is missing"
        if totals.missing and reading.emissions_kg_co2 is not None
        else reading.emissions_reason,
        conditions=reading.conditions,
    )


def energy_metrics(
    domains: Mapping[int, Sequence[DomainReading]],
    raws: Sequence[RawProcessResult],
    inference: InferenceMetrics,
    *,
    read: Mapping[int, Sequence[DomainReading]] | None = None,
) -> EnergyMetrics:
    """The energy of one or several cycles.

    Args:
        domains: What counts in each cycle (see ``pick_counted``).
        raws: The results that they come from.
        inference: The sums of these results, which the joules are divided by.
        read: The same with the numbers of domains that were read for a part of the work only:
            they are in ``partial_j``. None: there are none.
    """
    readings = _adding_up(domain for of_cycle in (read or domains).values() for domain in of_cycle)
    shown = merge_domains(domains)
    merged = _adding_up(shown)
    totals = _totals(readings, merged)
    headline = _headline(readings)
    uncertainty_j, uncertainty_reason = _uncertainty(merged, headline, totals.total_j)
    emissions, emissions_reason = sum_emissions(raws, complete=not totals.missing)
    return EnergyMetrics(
        total_j=totals.total_j,
        partial_j=totals.partial_j,
        estimated_j=totals.estimated_j,
        measured_share=totals.measured_share,
        baseline_reason=_NO_BASELINE,
        domains=tuple(shown),
        boundary=_boundary(readings, headline),
        headline=headline,
        uncertainty_j=uncertainty_j,
        uncertainty_reason=uncertainty_reason,
        relative_uncertainty=ratio(uncertainty_j, totals.total_j or 0.0),
        reason=None
        if totals.total_j is not None
        else _why_no_total(merged, [raw.energy for raw in raws], readings),
        replayed=any(raw.energy.replayed for raw in raws),
        j_per_output_token=ratio(totals.total_j, inference.output_tokens),
        j_per_total_token=ratio(totals.total_j, inference.total_tokens),
        j_per_request=ratio(totals.total_j, inference.requests - inference.failed_requests),
        emissions_kg_co2=emissions,
        emissions_reason=emissions_reason,
        conditions=merge_conditions(
            (raw.environment.machine, seen) for raw in raws for seen in raw.energy.conditions
        ),
    )


def _adding_up(domains: Iterable[DomainReading]) -> list[DomainReading]:
    """Without those that are only shown, because they hold others (psys)."""
    return [domain for domain in domains if domain.counted]


def _totals(readings: Sequence[DomainReading], merged: Sequence[DomainReading]) -> EnergyTotals:
    """The sums; no total where a part is missing, or is measured here and estimated there.

    Without a total there is no share of it, and no sum of estimates of which one is a part.
    """
    totals = total_energy(readings)
    void = {d.name for d in merged if d.expected and d.joules is None} | _find_mixed(readings)
    missing = tuple(dict.fromkeys([*totals.missing, *sorted(void)]))
    if not missing:
        return totals
    estimated = {kind(d) for d in readings if d.method is EnergyMethod.ESTIMATED}
    in_part = estimated & {domain_kind(name) for name in missing}
    return totals.model_copy(
        update={
            "total_j": None,
            "estimated_j": None if in_part else totals.estimated_j,
            "measured_share": None,
            "missing": missing,
        }
    )


def without_total(energy: EnergyMetrics, reason: str, *, addable: bool = True) -> EnergyMetrics:
    """The energy without a total and all that follows from one.

    Args:
        energy: The sums.
        reason: Why they are none.
        addable: Whether the parts can be summed at all: ``partial_j`` stands then.
    """
    return energy.model_copy(
        update={
            "total_j": None,
            "partial_j": energy.partial_j if addable else None,
            "measured_share": None,
            "uncertainty_j": None,
            "uncertainty_reason": "there is no total",
            "relative_uncertainty": None,
            "reason": "; ".join(filter(None, (energy.reason, reason))),
            "j_per_output_token": None,
            "j_per_total_token": None,
            "j_per_request": None,
            "emissions_kg_co2": None,
            "emissions_reason": "a part of the energy is missing"
            if energy.emissions_kg_co2 is not None
            else energy.emissions_reason,
        }
    )


def _find_mixed(readings: Iterable[DomainReading]) -> set[str]:
    """Kinds of domain (all GPUs, say) that are measured in one part and estimated in another.

    The headline would leave out the estimated part and yet be divided by all tokens.
    """
    ways: dict[tuple[str, str], set[Headline]] = {}
    for domain in readings:
        if domain.joules is not None:
            ways.setdefault((domain.scope, kind(domain)), set()).add(_way(domain))
    return {name for (_, name), found in ways.items() if len(found) > 1}


def _way(domain: DomainReading) -> Headline:
    return "estimated" if domain.method is EnergyMethod.ESTIMATED else "measured"


def _headline(readings: Iterable[DomainReading]) -> Headline | None:
    ways = {_way(domain) for domain in readings if domain.joules is not None}
    if not ways:
        return None
    return "measured" if "measured" in ways else "estimated"


def _boundary(readings: Iterable[DomainReading], headline: Headline | None) -> tuple[str, ...]:
    """What the headline covers, as ``gpu:device:counter``."""
    within = [d for d in readings if d.joules is not None and _way(d) == headline]
    return tuple(sorted({f"{kind(d)}:{d.scope}:{d.method}" for d in within}))


def _uncertainty(
    merged: Sequence[DomainReading], headline: Headline | None, total_j: float | None
) -> tuple[float | None, str | None]:
    """The parts are added, not squared: they share their sensors, so errors do not cancel."""
    if total_j is None:
        return None, "there is no total"
    within = [d for d in merged if d.joules is not None and _way(d) == headline]
    silent = [d.name for d in within if d.uncertainty_j is None]
    if silent:
        return None, f"not known for {', '.join(silent)}"
    return sum_if_all(d.uncertainty_j for d in within), None


def _why_no_total(
    merged: Sequence[DomainReading],
    sources: Sequence[EnergyReading],
    readings: Sequence[DomainReading],
) -> str:
    if energy_off(sources):
        return _OFF
    lost = [d for d in merged if d.joules is None and d.expected]
    words = [f"{d.name}: {d.reason or 'unknown'}" for d in lost]
    words += [
        f"{name}: measured in one part and estimated in another"
        for name in sorted(_find_mixed(readings))
    ]
    absent = [f"{d.name}: {d.reason or 'not here'}" for d in merged if d.joules is None]
    return "; ".join(words or absent) or "the energy source found nothing to read"
