"""What speaks against an aggregate: the reasons of its parts, and those of their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.metrics import EnergyMetrics, InferenceMetrics
from llenergymeasure.domain.validity import Reason, ReasonCode, Validity, judge
from llenergymeasure.results.sums.differences import find_differences
from llenergymeasure.results.sums.energy import energy_off
from llenergymeasure.results.sums.marginal import is_below_idle
from llenergymeasure.results.sums.uncovered import find_absent, find_uncovered
from llenergymeasure.results.sums.wording import describe_errors, join_by_cycle

# These are about sums; what a part said of itself under one of them is not repeated.
_OF_SUMS = frozenset(
    {
        ReasonCode.ESTIMATE_ONLY,
        ReasonCode.ENERGY_OFF,
        ReasonCode.ENERGY_UNAVAILABLE,
        ReasonCode.FAILED_REQUESTS,
        ReasonCode.ALL_REQUESTS_FAILED,
        ReasonCode.INCOMPLETE,
    }
)


def cycle_reasons(
    cycle: int,
    raws: Sequence[RawProcessResult],
    inference: InferenceMetrics,
    energy: EnergyMetrics,
) -> list[Reason]:
    """The reasons of one cycle, each code once."""
    return _reasons({cycle: raws}, inference, energy, missing_cycles=())


def experiment_reasons(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
    inference: InferenceMetrics,
    energy: EnergyMetrics,
    planned_cycles: int,
) -> list[Reason]:
    """The reasons of all cycles, each code once, saying which cycles it is about."""
    missing = [cycle for cycle in range(1, planned_cycles + 1) if cycle not in by_cycle]
    return _reasons(by_cycle, inference, energy, missing_cycles=missing)


def _reasons(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
    inference: InferenceMetrics,
    energy: EnergyMetrics,
    missing_cycles: Sequence[int],
) -> list[Reason]:
    own = _own(by_cycle)
    raws = [raw for group in by_cycle.values() for raw in group]
    derived = (
        *find_differences(by_cycle),
        _incomplete(by_cycle, missing_cycles),
        _report_unanswered(inference),
        _energy(energy, [raw.energy for raw in raws]),
        _report_replayed(energy),
        _below_idle(energy),
    )
    told = {reason.code for reason in own}
    return [*own, *(reason for reason in derived if reason and reason.code not in told)]


def _own(by_cycle: Mapping[int, Sequence[RawProcessResult]]) -> list[Reason]:
    """What the parts say, one reason a code."""
    details: dict[ReasonCode, dict[str, list[int]]] = {}
    for cycle, raws in by_cycle.items():
        for raw in raws:
            for reason in raw.reasons:
                details.setdefault(reason.code, {}).setdefault(reason.detail, []).append(cycle)
    return [
        Reason(code=code, detail=join_by_cycle(by_detail, len(by_cycle)))
        for code, by_detail in details.items()
        if code not in _OF_SUMS
    ]


def _incomplete(
    by_cycle: Mapping[int, Sequence[RawProcessResult]], missing_cycles: Sequence[int]
) -> Reason | None:
    words = []
    if missing_cycles:
        numbers = ", ".join(map(str, missing_cycles))
        words.append(f"not measured: cycle{'s' if len(missing_cycles) > 1 else ''} {numbers}")
    absent: dict[str, list[int]] = {}
    for cycle, raws in by_cycle.items():
        lost = find_absent(raws)
        if lost is not None:
            absent.setdefault(lost, []).append(cycle)
    short: dict[str, list[int]] = {}
    for cycle, raws in by_cycle.items():
        for detail in find_uncovered(raws):
            short.setdefault(detail, []).append(cycle)
    words += [join_by_cycle(details, len(by_cycle)) for details in (absent, short) if details]
    if not words:
        return None
    return Reason(code=ReasonCode.INCOMPLETE, detail="; ".join(words))


def _report_unanswered(inference: InferenceMetrics) -> Reason | None:
    failed, requests = inference.failed_requests, inference.requests
    if not failed:
        return None
    code = ReasonCode.ALL_REQUESTS_FAILED if failed == requests else ReasonCode.FAILED_REQUESTS
    detail = f"{failed} of {requests} requests have no answer"
    return Reason(code=code, detail="; ".join([detail, *describe_errors(inference.errors)]))


def process_validity(raw: RawProcessResult, energy: EnergyMetrics) -> Validity:
    """The verdict on one process in one cycle by itself.

    Args:
        raw: Its result.
        energy: The sums of its reading.
    """
    found = (*reading_reasons(energy, raw.energy), _report_unanswered(raw.inference))
    own = {reason.code for reason in raw.reasons}
    return judge([*raw.reasons, *(r for r in found if r is not None and r.code not in own)])


def reading_reasons(energy: EnergyMetrics, reading: EnergyReading) -> list[Reason]:
    """What speaks against the energy of one reading."""
    found = (_energy(energy, [reading]), _report_replayed(energy))
    return [reason for reason in found if reason]


def _energy(energy: EnergyMetrics, readings: Sequence[EnergyReading]) -> Reason | None:
    if energy_off(readings):
        return Reason(code=ReasonCode.ENERGY_OFF, detail="energy.backend is none: no joules")
    if energy.total_j is None:
        return Reason(code=ReasonCode.ENERGY_UNAVAILABLE, detail=energy.reason or "unknown")
    if energy.headline == "estimated":
        words = ["no counter was read here, all joules come from a model of the hardware"]
        return Reason(code=ReasonCode.ESTIMATE_ONLY, detail="; ".join([*words, *_unread(readings)]))
    return None


def _unread(readings: Sequence[EnergyReading]) -> list[str]:
    """Why better sources could not be read, each once: that is where a remedy stands."""
    domains = (domain for reading in readings for domain in reading.domains)
    return list(dict.fromkeys(why.detail for domain in domains for why in domain.instead_of))


def _report_replayed(energy: EnergyMetrics) -> Reason | None:
    if not energy.replayed:
        return None
    detail = "the joules come from a recording or a formula, not from this machine"
    return Reason(code=ReasonCode.ENERGY_REPLAYED, detail=detail)


def _below_idle(energy: EnergyMetrics) -> Reason | None:
    if not is_below_idle(energy):
        return None
    return Reason(code=ReasonCode.BASELINE_UNSTEADY, detail=energy.baseline_reason or "")
