"""Adding up energy readings of several processes and cycles, fail-closed.

Device scope is summed, each device once a cycle. Machine scope counts once a host and cycle,
however many processes read that host. A domain that is missing once is missing in the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyScope,
    MeasurementWindow,
    total_energy,
)
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.metrics import EnergyMetrics, InferenceMetrics, ratio

_NO_BASELINE = "no idle baseline was measured"
_NOTHING_READ = "energy was not measured (energy.backend: none)"


def cycle_domains(raws: Sequence[RawProcessResult]) -> list[DomainReading]:
    """The domains of one cycle, each counted once.

    Of several processes that read the same domain, the lowest index with a number counts.
    """
    chosen: dict[tuple[str, ...], DomainReading] = {}
    for raw in sorted(raws, key=lambda raw: raw.process_index):
        for domain in raw.energy.domains:
            key = _identity(domain, raw)
            if key not in chosen or (chosen[key].joules is None and domain.joules is not None):
                chosen[key] = domain
    return list(chosen.values())


def _identity(domain: DomainReading, raw: RawProcessResult) -> tuple[str, ...]:
    if domain.scope is EnergyScope.MACHINE:
        return ("machine", raw.environment.hostname, domain.name)
    if domain.device_id is not None:
        return ("device", domain.device_id, domain.name)
    # Without an id two processes' devices cannot be told to be one, so each counts.
    return ("process", str(raw.process_index), domain.name)


def energy_metrics(
    cycles: Sequence[Sequence[DomainReading]],
    raws: Sequence[RawProcessResult],
    inference: InferenceMetrics,
) -> EnergyMetrics:
    """The energy of an experiment from its cycles' domains (see ``cycle_domains``)."""
    readings = [domain for domains in cycles for domain in domains]
    totals = total_energy(readings)
    domains = merged_domains(cycles)
    uncertainty = _sum_if_all(d.uncertainty_j for d in domains if d.joules is not None)
    emissions, emissions_reason = _emissions(raws)
    total = totals.total_j
    return EnergyMetrics(
        total_j=total,
        partial_j=totals.partial_j,
        estimated_j=totals.estimated_j,
        measured_share=totals.measured_share,
        baseline_reason=_NO_BASELINE,
        domains=tuple(domains),
        boundary=tuple(sorted(f"{d.name}:{d.scope}:{d.method}" for d in domains if d.method)),
        headline=_headline(readings),
        uncertainty_j=None if total is None else uncertainty,
        uncertainty_reason=None if uncertainty is not None else "no source gives an uncertainty",
        reason=_why_no_total(readings, totals.missing),
        replayed=any(raw.energy.replayed for raw in raws),
        j_per_output_token=ratio(total, inference.output_tokens),
        j_per_total_token=ratio(total, inference.total_tokens),
        j_per_request=ratio(total, inference.requests),
        emissions_kg_co2=emissions,
        emissions_reason=emissions_reason,
    )


def merged_domains(cycles: Sequence[Sequence[DomainReading]]) -> list[DomainReading]:
    """One reading a domain over all cycles; without a number if it is missing in one of them."""
    groups: dict[tuple[str, str, str | None], list[DomainReading]] = {}
    for domains in cycles:
        for domain in domains:
            groups.setdefault((domain.name, domain.scope, domain.device_id), []).append(domain)
    return [_merged(group) for group in groups.values()]


def _merged(group: Sequence[DomainReading]) -> DomainReading:
    if len(group) == 1:
        return group[0]
    missing = [domain for domain in group if domain.joules is None]
    methods = {domain.method for domain in group if domain.method is not None}
    reason = next((domain.reason for domain in missing), None)
    if len(methods) > 1:
        reason = f"read by different methods in different cycles: {', '.join(sorted(methods))}"
    whole = not missing and len(methods) == 1
    return group[0].model_copy(
        update={
            "method": methods.pop() if whole else None,
            "joules": sum(d.joules or 0.0 for d in group) if whole else None,
            "uncertainty_j": _sum_if_all(d.uncertainty_j for d in group) if whole else None,
            "expected": any(domain.expected for domain in group),
            "reason": None if whole else reason,
            "window": _joined([d.window for d in group if d.window is not None]),
        }
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


def _headline(readings: Iterable[DomainReading]) -> Literal["measured", "estimated"] | None:
    methods = {domain.method for domain in readings if domain.joules is not None}
    if methods - {EnergyMethod.ESTIMATED}:
        return "measured"
    return "estimated" if methods else None


def _why_no_total(readings: Sequence[DomainReading], missing: Sequence[str]) -> str | None:
    if not readings:
        return _NOTHING_READ
    if not missing:
        return None if any(d.joules is not None for d in readings) else "no domain was found here"
    reasons = {d.name: d.reason or "unknown" for d in readings if d.expected and d.joules is None}
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def _emissions(raws: Sequence[RawProcessResult]) -> tuple[float | None, str | None]:
    # A process without domains has nothing to emit (only one process reads a machine).
    reading = [raw.energy for raw in raws if raw.energy.domains]
    total = _sum_if_all(energy.emissions_kg_co2 for energy in reading)
    if total is not None:
        return total, None
    reasons = [energy.emissions_reason for energy in reading if energy.emissions_reason]
    return None, reasons[0] if reasons else "no source of emissions"


def _sum_if_all(values: Iterable[float | None]) -> float | None:
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None)
