"""Joules in words. An estimate is called one at every number that is one."""

from __future__ import annotations

from collections.abc import Iterator

from llenergymeasure.cli.display.before import idle_powers
from llenergymeasure.cli.display.conditions import condition_rows
from llenergymeasure.cli.display.text.lines import Row
from llenergymeasure.cli.display.text.numbers import (
    MISSING,
    half_width,
    joules,
    joules_within,
    or_reason,
    percent,
    significant,
)
from llenergymeasure.domain.energy import CrossCheck, DomainReading, EnergyMethod
from llenergymeasure.domain.experiment import Cycles
from llenergymeasure.domain.metrics import EnergyMetrics


def origin(energy: EnergyMetrics) -> str:
    """Where the headline comes from: ``measured``, ``estimated``, ``replayed`` or nothing."""
    return energy.origin or ""


def with_origin(text: str, energy: EnergyMetrics) -> str:
    """A number of the headline's kind, with its origin."""
    return f"{text} ({origin(energy)})" if text != MISSING and origin(energy) else text


def energy_rows(energy: EnergyMetrics, cycles: Cycles | None = None) -> Iterator[Row]:
    """All that is known about the energy of a result.

    Args:
        energy: The sums.
        cycles: What they are summed over; None: there are no cycles (a command).
    """
    several = cycles is not None and cycles.n > 1
    if cycles is not None and several:
        yield from _per_cycle(energy, cycles)
        yield f"  sum of {cycles.n} cycles", or_reason(_headline(energy), energy.reason)
    else:
        yield "Energy", or_reason(_headline(energy), energy.reason)
    if energy.total_j is None and energy.partial_j is not None:
        yield "", f"at least {with_origin(joules(energy.partial_j), energy)}, from part of it"
    for domain in energy.domains:
        yield "", _domain(domain, replayed=energy.replayed)
        for check in domain.evidence.cross_checks if domain.evidence else ():
            yield "", _cross_check(domain, check)
    if energy.headline == "measured" and energy.estimated_j is not None:
        share = percent(energy.measured_share)
        of_all = "" if share == MISSING else f"; {share} of all is measured"
        yield "", f"beside it {joules(energy.estimated_j)} (estimated){of_all}"
        for why in dict.fromkeys(why.detail for d in energy.domains for why in d.instead_of):
            yield "", f"estimated because {why}"
    if energy.uncertainty_j is not None and not energy.replayed:
        yield "", f"\u00b1: what the {_meter(energy)} allows, 95 % ({origin(energy)})"
    spread = cycles.stats.j_per_output_token if cycles is not None else None
    per_token = _per(energy.j_per_output_token, energy)
    if spread is not None and spread.ci95 is not None and energy.total_j is not None:
        half_j = (spread.ci95[1] - spread.ci95[0]) / 2
        per_token += f"; {half_width(half_j, spread.mean)} spread over {spread.n} cycles"
    yield "  per output token", per_token
    yield "  per total token", _per(energy.j_per_total_token, energy)
    yield "  per request", _per(energy.j_per_request, energy)
    of = f", sum of {cycles.n} cycles" if cycles is not None and several else ""
    yield from _above_idle(energy, of)
    yield from condition_rows(energy.conditions)
    yield "Emissions", _emissions(energy, of)


def _per_cycle(energy: EnergyMetrics, cycles: Cycles) -> Iterator[Row]:
    """What compares with other runs: the mean of a cycle, with both of its intervals."""
    mean = cycles.energy
    mean_j = None if mean is None else mean.mean_j
    yield "Energy per cycle", or_reason(with_origin(joules(mean_j), energy), energy.reason)
    if mean is None or mean_j is None:
        return
    parts = []
    if mean.meter_uncertainty_j is not None and not energy.replayed:
        parts.append(f"{half_width(mean.meter_uncertainty_j, mean_j)} by the {_meter(energy)}")
    if mean.spread_uncertainty_j is not None:
        parts.append(f"{half_width(mean.spread_uncertainty_j, mean_j)} spread over {mean.n} cycles")
    if parts:
        yield "", f"{', '.join(parts)}; 95 % each ({origin(energy)})"


def _meter(energy: EnergyMetrics) -> str:
    """What the interval of a number speaks of."""
    return "model" if energy.headline == "estimated" else "meter"


def _above_idle(energy: EnergyMetrics, of: str) -> Iterator[Row]:
    if energy.marginal_j is None and not energy.baseline_reason:
        return
    half_j = energy.marginal_uncertainty_j
    above = with_origin(joules_within(energy.marginal_j, half_j), energy)
    if energy.marginal_j is not None:
        above += of
    if energy.marginal_j is not None and half_j is not None and abs(energy.marginal_j) <= half_j:
        above += ": not distinguishable from zero"
    yield "  above idle", or_reason(above, energy.baseline_reason)
    for words in idle_powers(energy.baseline):
        yield "", words


def _headline(energy: EnergyMetrics) -> str:
    return with_origin(joules_within(energy.total_j, energy.uncertainty_j), energy)


def _domain(domain: DomainReading, *, replayed: bool) -> str:
    text = joules_within(domain.joules, domain.uncertainty_j)
    if text == MISSING:
        return f"{domain.name}: {or_reason(text, domain.reason)}"
    method = "replayed" if replayed else _method(domain.method)
    source = domain.origin or ""
    words = source if source.startswith(method) else ", ".join(filter(None, (method, source)))
    beside = "" if domain.counted else "; not added up: it holds others"
    return f"{domain.name}: {text} ({words}{beside})"


def _cross_check(domain: DomainReading, check: CrossCheck) -> str:
    of_what = " + ".join(check.covers) or domain.name
    text = or_reason(joules(check.joules), check.reason)
    apart = check.disagreement
    difference = "" if apart is None else f" ({'+' if apart >= 0 else ''}{percent(apart)})"
    return f"{of_what} by {check.source}, as a check: {text}{difference}"


def _method(method: EnergyMethod | None) -> str:
    words = {
        EnergyMethod.COUNTER: "measured by a counter",
        EnergyMethod.INTEGRATED: "measured, integrated from power",
        EnergyMethod.ESTIMATED: "estimated",
    }
    return "of unknown origin" if method is None else words[method]


def _per(value_j: float | None, energy: EnergyMetrics) -> str:
    text = joules_within(value_j, energy.half_width_of(value_j))
    return or_reason(with_origin(text, energy), energy.reason)


def _emissions(energy: EnergyMetrics, of: str) -> str:
    kg = energy.emissions_kg_co2
    if kg is None:
        return or_reason(MISSING, energy.emissions_reason)
    # A grid's carbon intensity is an average over a country: never a measurement.
    return f"{significant(kg * 1000, 3)} g CO2-equivalent (estimated){of}"
