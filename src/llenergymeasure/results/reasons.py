"""What speaks against an aggregate: the reasons of its parts, and those of their sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from llenergymeasure.domain.energy import DomainReading, EnergyMethod
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.validity import Reason, ReasonCode


def cycle_reasons(
    raws: Sequence[RawProcessResult], domains: Sequence[DomainReading]
) -> list[Reason]:
    """The reasons of one cycle."""
    own = [reason for raw in raws for reason in raw.reasons]
    derived = (_missing_processes(raws), _unanswered(raws), *_energy(domains))
    return [*own, *(reason for reason in derived if reason is not None)]


def experiment_reasons(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
    domains: Mapping[int, Sequence[DomainReading]],
    planned_cycles: int,
) -> list[Reason]:
    """The reasons of all cycles, each code once, saying which cycles it is about."""
    details: dict[ReasonCode, dict[str, list[int]]] = {}
    for cycle, raws in by_cycle.items():
        for reason in cycle_reasons(raws, domains[cycle]):
            cycles = details.setdefault(reason.code, {}).setdefault(reason.detail, [])
            if cycle not in cycles:
                cycles.append(cycle)
    reasons = [
        Reason(code=code, detail=_told(by_detail, len(by_cycle)))
        for code, by_detail in details.items()
    ]
    if len(by_cycle) < planned_cycles:
        detail = f"{len(by_cycle)} of {planned_cycles} planned cycles are there"
        reasons.append(Reason(code=ReasonCode.INCOMPLETE, detail=detail))
    return reasons


def _told(by_detail: Mapping[str, Sequence[int]], cycles: int) -> str:
    if len(by_detail) == 1 and cycles == len(next(iter(by_detail.values()))):
        return next(iter(by_detail))
    return "; ".join(
        f"cycle {', '.join(map(str, which))}: {detail}" for detail, which in by_detail.items()
    )


def _missing_processes(raws: Sequence[RawProcessResult]) -> Reason | None:
    expected = max(raw.process_count for raw in raws)
    if len(raws) >= expected:
        return None
    detail = f"{len(raws)} of {expected} processes gave a result"
    return Reason(code=ReasonCode.INCOMPLETE, detail=detail)


def _unanswered(raws: Iterable[RawProcessResult]) -> Reason | None:
    counts = [(raw.inference.failed_requests, raw.inference.requests) for raw in raws]
    failed, requests = (sum(column) for column in zip(*counts, strict=True))
    if not failed:
        return None
    code = ReasonCode.ALL_REQUESTS_FAILED if failed == requests else ReasonCode.FAILED_REQUESTS
    return Reason(code=code, detail=f"{failed} of {requests} requests have no answer")


def _energy(domains: Sequence[DomainReading]) -> list[Reason]:
    if not domains:
        return [Reason(code=ReasonCode.ENERGY_OFF, detail="energy.backend is none: no joules")]
    missing = [d for d in domains if d.expected and d.joules is None]
    if missing:
        words = "; ".join(f"{d.name}: {d.reason or 'unknown'}" for d in missing)
        return [Reason(code=ReasonCode.ENERGY_UNAVAILABLE, detail=words)]
    methods = {d.method for d in domains if d.joules is not None}
    if methods == {EnergyMethod.ESTIMATED}:
        detail = "no counter was read here, all joules come from a model of the hardware"
        return [Reason(code=ReasonCode.ESTIMATE_ONLY, detail=detail)]
    return []
