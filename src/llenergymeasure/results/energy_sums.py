"""Adding up the energy of several processes and cycles, fail-closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyTotals,
    MeasurementWindow,
    total_energy,
)
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.metrics import EnergyMetrics, InferenceMetrics, ratio
from llenergymeasure.results.emissions import summed_emissions
from llenergymeasure.results.energy_domains import kind
from llenergymeasure.results.wording import told_by_cycle

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
        reason=None if totals.total_j is not None else _why_no_total(domains, [reading], domains),
        replayed=reading.replayed,
        emissions_kg_co2=reading.emissions_kg_co2,
        emissions_reason=reading.emissions_reason,
    )


def energy_metrics(
    domains: Mapping[int, Sequence[DomainReading]],
    raws: Sequence[RawProcessResult],
    inference: InferenceMetrics,
) -> EnergyMetrics:
    """The energy of one or several cycles.

    Args:
        domains: What counts in each cycle (see ``energy_domains.counted_domains``).
        raws: The results that they come from.
        inference: The sums of these results, which the joules are divided by.
    """
    readings = _adding_up(domain for of_cycle in domains.values() for domain in of_cycle)
    shown = merged_domains(domains)
    merged = _adding_up(shown)
    totals = _totals(readings, merged)
    headline = _headline(readings)
    uncertainty_j, uncertainty_reason = _uncertainty(merged, headline, totals.total_j)
    emissions, emissions_reason = summed_emissions(raws, complete=not totals.missing)
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
        reason=None
        if totals.total_j is not None
        else _why_no_total(merged, [raw.energy for raw in raws], readings),
        replayed=any(raw.energy.replayed for raw in raws),
        j_per_output_token=ratio(totals.total_j, inference.output_tokens),
        j_per_total_token=ratio(totals.total_j, inference.total_tokens),
        j_per_request=ratio(totals.total_j, inference.requests - inference.failed_requests),
        emissions_kg_co2=emissions,
        emissions_reason=emissions_reason,
    )


def _adding_up(domains: Iterable[DomainReading]) -> list[DomainReading]:
    """Without those that are only shown, because they hold others (psys)."""
    return [domain for domain in domains if domain.counted]


def merged_domains(domains: Mapping[int, Sequence[DomainReading]]) -> list[DomainReading]:
    """One reading a domain over all cycles; without a number if it is missing in one of them."""
    groups: dict[tuple[str, ...], list[tuple[int, DomainReading]]] = {}
    for cycle, of_cycle in domains.items():
        for domain in of_cycle:
            named = domain.name if domain.device_id is None else kind(domain)
            key = (named, domain.scope, domain.device_id or "")
            groups.setdefault(key, []).append((cycle, domain))
    return [_merged(group, len(domains)) for group in groups.values()]


def _merged(group: Sequence[tuple[int, DomainReading]], cycles: int) -> DomainReading:
    # A host that has no such domain takes nothing from those that have one.
    group = [(c, d) for c, d in group if d.expected or d.joules is not None] or group
    readings = [domain for _, domain in group]
    if len(readings) == 1 and (cycles == 1 or readings[0].joules is not None):
        return readings[0]
    methods = {d.method for d in readings if d.joules is not None and d.method is not None}
    missing: dict[str, list[int]] = {}
    for cycle, domain in group:
        if domain.joules is None:
            missing.setdefault(domain.reason or "unknown", []).append(cycle)
    reason = told_by_cycle(missing, cycles) if missing else None
    if len(methods) > 1 and not missing:
        names = ", ".join(sorted(methods))
        reason = f"read in different ways, which do not add up: {names}"
    whole = reason is None
    origins = dict.fromkeys(d.origin for d in readings if d.origin is not None)
    sources = {domain.source for domain in readings}
    return DomainReading(
        name=readings[0].name,
        scope=readings[0].scope,
        method=methods.pop() if whole else None,
        joules=sum(d.joules or 0.0 for d in readings) if whole else None,
        uncertainty_j=sum_if_all(d.uncertainty_j for d in readings) if whole else None,
        origin="; ".join(origins) or None,
        device_id=readings[0].device_id,
        expected=any(domain.expected for domain in readings),
        reason=reason,
        window=_joined([d.window for d in readings if d.window is not None]),
        source=sources.pop() if len(sources) == 1 else None,
        counted=readings[0].counted,
        instead_of=tuple(dict.fromkeys(why for d in readings for why in d.instead_of)),
    )


def _joined(windows: Sequence[MeasurementWindow]) -> MeasurementWindow | None:
    """From the first start to the last end; ``duration_s`` is the measured time within."""
    if not windows:
        return None
    first = min(windows, key=lambda window: window.start_utc)
    last = max(windows, key=lambda window: window.start_utc)
    return MeasurementWindow(
        start_monotonic_ns=first.start_monotonic_ns,
        end_monotonic_ns=last.end_monotonic_ns,
        start_utc=first.start_utc,
        duration_s=sum(window.duration_s for window in windows),
    )


def _totals(readings: Sequence[DomainReading], merged: Sequence[DomainReading]) -> EnergyTotals:
    """The sums; no total where a part is missing, or is measured here and estimated there."""
    totals = total_energy(readings)
    void = {d.name for d in merged if d.expected and d.joules is None} | _mixed(readings)
    missing = tuple(dict.fromkeys([*totals.missing, *sorted(void)]))
    return totals.model_copy(
        update={"total_j": None if missing else totals.total_j, "missing": missing}
    )


def _mixed(readings: Iterable[DomainReading]) -> set[str]:
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
        for name in sorted(_mixed(readings))
    ]
    absent = [f"{d.name}: {d.reason or 'not here'}" for d in merged if d.joules is None]
    return "; ".join(words or absent) or "the energy source found nothing to read"


def sum_if_all(values: Iterable[float | None]) -> float | None:
    """The sum, or None if a part is not known or there is none."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None)
