"""One reading out of those of several sources: what counts, and what only checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llenergymeasure.core.energy_backends.combined.ownership import Ownership
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import (
    CrossCheck,
    DomainReading,
    EnergyMethod,
    EnergyReading,
    Evidence,
    domain_kind,
)
from llenergymeasure.domain.metrics import ratio

_Checks = dict[str, list[CrossCheck]]


def assemble_reading(readings: Mapping[str, EnergyReading], ownership: Ownership) -> EnergyReading:
    """The reading of all sources together, each domain once.

    Args:
        readings: Of each source over nearly the same window, by its name, in their order.
        ownership: Who reads what.
    """
    shown = {
        source: [d for d in reading.domains if ownership.shown_by(domain_kind(d.name)) == source]
        for source, reading in readings.items()
    }
    domains = [
        _mark_owner(domain, source, ownership) for source, own in shown.items() for domain in own
    ]
    domains = _cross_check(domains, readings, ownership)
    owning = [source for source in readings if source in ownership.owners.values()]
    names = owning or list(readings)
    kg_co2, reason = _emissions(domains, readings)
    return EnergyReading(
        backend="+".join(names),
        version=_version({name: readings[name] for name in names}),
        domains=tuple(domains),
        replayed=any(readings[name].replayed for name in owning),
        emissions_kg_co2=kg_co2,
        emissions_reason=reason,
        conditions=_conditions(readings),
    )


def _mark_owner(domain: DomainReading, source: str, ownership: Ownership) -> DomainReading:
    passed_over = ownership.passed_over.get(domain_kind(domain.name), ())
    return domain.model_copy(update={"source": source, "instead_of": passed_over})


def _cross_check(
    domains: Sequence[DomainReading],
    readings: Mapping[str, EnergyReading],
    ownership: Ownership,
) -> list[DomainReading]:
    """The domains, each with what sources that do not own it say of it."""
    checks: _Checks = {}
    for kind, owner in ownership.owners.items():
        own = [d for d in domains if domain_kind(d.name) == kind]
        passed_over = True
        for source, reading in readings.items():
            if source == owner:
                passed_over = False
                continue
            theirs = [d for d in reading.domains if domain_kind(d.name) == kind and _can_check(d)]
            # Why a source was passed over stands with the domain already.
            if own and not (passed_over and all(d.joules is None for d in theirs)):
                _compare(source, own, theirs, checks)
    return [
        _with_checks(domain, checks[domain.name]) if domain.name in checks else domain
        for domain in domains
    ]


def _can_check(domain: DomainReading) -> bool:
    """Whether it says something of a sensor: a model's estimate does not, nor does an absence."""
    estimated = domain.method is EnergyMethod.ESTIMATED
    return not estimated and (domain.joules is not None or domain.expected)


def _compare(
    source: str, own: Sequence[DomainReading], theirs: Sequence[DomainReading], checks: _Checks
) -> None:
    if not theirs:
        return
    if all(domain.device_id is not None for domain in (*own, *theirs)):
        by_id = {domain.device_id: domain for domain in theirs}
        for domain in own:
            if domain.device_id in by_id:
                check = _check(source, [domain], [by_id[domain.device_id]])
                checks.setdefault(domain.name, []).append(check)
        return
    # Kinds that are not told apart by device are compared as a whole.
    checks.setdefault(own[0].name, []).append(_check(source, own, theirs))


def _check(
    source: str, own: Sequence[DomainReading], theirs: Sequence[DomainReading]
) -> CrossCheck:
    value_j, check_j = _sum_j(own), _sum_j(theirs)
    more_j = None if value_j is None or check_j is None else check_j - value_j
    lost = [domain.reason or "unknown" for domain in theirs if domain.joules is None]
    return CrossCheck(
        source=source,
        joules=check_j,
        disagreement=ratio(more_j, value_j or 0.0),
        reason="; ".join(dict.fromkeys(lost)) or None,
        covers=tuple(domain.name for domain in own) if len(own) > 1 else (),
    )


def _sum_j(domains: Sequence[DomainReading]) -> float | None:
    """None if a part is missing: a sum without it would be compared with one that has it."""
    numbers = [domain.joules for domain in domains]
    return sum(j for j in numbers if j is not None) if None not in numbers else None


def _with_checks(domain: DomainReading, checks: Sequence[CrossCheck]) -> DomainReading:
    evidence = domain.evidence or Evidence()
    told = (*evidence.cross_checks, *checks)
    return domain.model_copy(
        update={"evidence": evidence.model_copy(update={"cross_checks": told})}
    )


def _version(readings: Mapping[str, EnergyReading]) -> str | None:
    """The version of the only source, or those of all that have one, each with its source."""
    if len(readings) == 1:
        return next(iter(readings.values())).version
    told = [f"{name} {reading.version}" for name, reading in readings.items() if reading.version]
    return ", ".join(told) or None


def _emissions(
    domains: Sequence[DomainReading], readings: Mapping[str, EnergyReading]
) -> tuple[float | None, str | None]:
    """A source tells one number for all that it reads: it holds if just that is counted."""
    counted = {(d.source, d.name) for d in domains if d.counted and d.joules is not None}
    sources = {source for source, _ in counted}
    if not counted:
        reasons = [reading.emissions_reason for reading in readings.values()]
        return None, next((reason for reason in reasons if reason), "no energy was read")
    if len(sources) == 1:
        (source,) = sources
        reading = readings.get(source or "")
        if reading is not None:
            adding_up = (d for d in reading.domains if d.joules is not None and d.counted)
            read = {(source, domain.name) for domain in adding_up}
            if reading.emissions_kg_co2 is None or read <= counted:
                return reading.emissions_kg_co2, reading.emissions_reason
    return None, (
        "the joules do not all come from CodeCarbon, which alone knows a grid: "
        "set energy.backend to codecarbon"
    )


def _conditions(readings: Mapping[str, EnergyReading]) -> tuple[DeviceConditions, ...]:
    """What the sources watched, each device once."""
    seen: dict[str, DeviceConditions] = {}
    for reading in readings.values():
        for one in reading.conditions:
            seen.setdefault(one.device_id or one.device, one)
    return tuple(seen.values())
