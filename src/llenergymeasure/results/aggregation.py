"""The aggregate of an experiment from the results of its processes and cycles. Pure.

Counts and joules are sums over processes and cycles, rates are ratios of sums, latency is
summarised over all requests together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from llenergymeasure.constants import BUILTIN_MODEL_PREFIX
from llenergymeasure.domain.energy import DomainReading
from llenergymeasure.domain.experiment import (
    AggregatedResult,
    Cycles,
    CycleValues,
    EnergyPerCycle,
    ExperimentStatus,
    Metrics,
    ProcessSummary,
    RawProcessResult,
    SpreadOverCycles,
)
from llenergymeasure.domain.metrics import (
    ComputeMetrics,
    EnergyMetrics,
    InferenceMetrics,
    count_errors,
    inference_from_counts,
    latency_metrics,
    ratio,
)
from llenergymeasure.domain.statistics import CycleStats, cycle_stats
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import ReasonCode, judge
from llenergymeasure.exceptions import StorageError
from llenergymeasure.results.sums.differences import VOIDING, find_differences
from llenergymeasure.results.sums.domains import Place, pick_counted_places
from llenergymeasure.results.sums.energy import energy_metrics, energy_off, without_total
from llenergymeasure.results.sums.marginal import with_marginal
from llenergymeasure.results.sums.merging import sum_if_all
from llenergymeasure.results.sums.reasons import cycle_reasons, experiment_reasons
from llenergymeasure.results.sums.uncovered import find_absent, void_uncovered
from llenergymeasure.results.sums.wording import join_by_cycle

Traces = Mapping[tuple[int, int], Sequence[RequestTrace]]

_STATS = (
    "duration_s",
    "output_tokens_per_s",
    "total_j",
    "marginal_j",
    "j_per_output_token",
    "e2e_ms_mean",
)
_JOULES = ("total_j", "marginal_j", "j_per_output_token")


def aggregate(
    raws: Sequence[RawProcessResult],
    traces: Traces,
    *,
    planned_cycles: int,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any],
    created_at: datetime,
    status: ExperimentStatus = ExperimentStatus.AGGREGATED,
    aggregated_at: datetime | None = None,
) -> AggregatedResult:
    """Combine the results of one experiment.

    Args:
        raws: All of its results, in any order.
        traces: Their requests by (cycle, process index).
        planned_cycles: How many cycles there should be; fewer is a reason in the verdict.
        config: The resolved config.
        provenance: Where each given value of it comes from.
        created_at: When the experiment was created.
        status: Where the experiment stands with this aggregate.
        aggregated_at: The time to note; now if it is None.

    Raises:
        StorageError: There are no results, requests are missing, or they do not belong together.
    """
    raws = sorted(raws, key=lambda raw: (raw.cycle, raw.process_index))
    _check_belongs_together(raws, traces)
    by_cycle = _group_by_cycle(raws)
    counted = pick_counted_places(by_cycle)
    inference = _sum_inference([_cycle_inference(group) for group in by_cycle.values()])
    energy = _energy(by_cycle, counted, inference)
    values = [_cycle_values(c, group, counted[c], traces) for c, group in by_cycle.items()]
    stats = _stats(values, alike=not _differ(by_cycle))
    first = raws[0]
    return AggregatedResult(
        experiment_id=first.experiment_id,
        config_name=first.config_name,
        status=status,
        created_at=created_at,
        aggregated_at=aggregated_at or datetime.now(UTC),
        model=first.model,
        backend=first.backend,
        environment=first.environment,
        config=dict(config),
        provenance=dict(provenance),
        prompts=first.prompts,
        warmup=first.warmup,
        metrics=Metrics(
            inference=inference,
            latency=latency_metrics(_pool_traces(raws, traces)),
            energy=energy,
            compute=_compute(by_cycle),
        ),
        validity=judge(experiment_reasons(by_cycle, inference, energy, planned_cycles)),
        cycles=Cycles(
            n=len(by_cycle),
            values=tuple(values),
            stats=stats,
            energy=_per_cycle(energy, len(values), stats.total_j),
        ),
        processes=tuple(_summary(raw) for raw in raws),
    )


def _check_belongs_together(raws: Sequence[RawProcessResult], traces: Traces) -> None:
    if not raws:
        raise StorageError("there are no results to aggregate")
    first = raws[0]
    known_config = next((raw.config_hash for raw in raws if raw.config_hash), None)
    same: dict[str, Callable[[RawProcessResult], object]] = {
        "experiments": lambda raw: raw.experiment_id,
        "backends": lambda raw: (raw.backend.name, raw.backend.version),
        "models": lambda raw: (raw.model.name, _weights(raw), raw.model.parameters),
        "dtypes": lambda raw: raw.model.dtype,
        "prompts": lambda raw: raw.prompts.used_sha256,
        # Results of older versions do not tell it.
        "configs": lambda raw: raw.config_hash or known_config,
        "numbers of processes": lambda raw: raw.process_count,
    }
    for what, of in same.items():
        different = {str(of(raw)) for raw in raws}
        if len(different) > 1:
            raise StorageError(
                f"the results of {first.experiment_id} were made with different {what} "
                f"({', '.join(sorted(different))}), so they do not belong together",
                hint="measure again in one environment",
            )
    keys = [(raw.cycle, raw.process_index) for raw in raws]
    for cycle, index in keys:
        what = f"cycle {cycle}, process {index} of {first.experiment_id}"
        if keys.count((cycle, index)) > 1:
            raise StorageError(f"there is more than one result of {what}")
        if (cycle, index) not in traces:
            raise StorageError(f"there are no requests of {what}")


def _weights(raw: RawProcessResult) -> str | None:
    """What tells two models of one name apart. A built-in is the same in every user's cache."""
    if raw.model.name.startswith(BUILTIN_MODEL_PREFIX):
        return None
    return raw.model.revision or raw.model.path


def _group_by_cycle(raws: Sequence[RawProcessResult]) -> dict[int, list[RawProcessResult]]:
    groups: dict[int, list[RawProcessResult]] = {}
    for raw in raws:
        groups.setdefault(raw.cycle, []).append(raw)
    return groups


def _span_s(group: Sequence[RawProcessResult]) -> float:
    """From the first start to the last end. Monotonic clocks agree on one machine only."""
    windows = [raw.window for raw in group]
    if len({raw.environment.machine for raw in group}) == 1:
        start = min(window.start_monotonic_ns for window in windows)
        return (max(window.end_monotonic_ns for window in windows) - start) / 1e9
    begin = min(window.start_utc.timestamp() for window in windows)
    return max(window.start_utc.timestamp() + window.duration_s for window in windows) - begin


def _cycle_inference(group: Sequence[RawProcessResult]) -> InferenceMetrics:
    return _sum_inference([raw.inference for raw in group], duration_s=_span_s(group))


def _sum_inference(
    parts: Sequence[InferenceMetrics], *, duration_s: float | None = None
) -> InferenceMetrics:
    return inference_from_counts(
        requests=sum(part.requests for part in parts),
        failed_requests=sum(part.failed_requests for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        duration_s=sum(p.duration_s for p in parts) if duration_s is None else duration_s,
        truncated_requests=sum(part.truncated_requests for part in parts),
        truncated_prompt_tokens=sum(part.truncated_prompt_tokens for part in parts),
        tokenization_s=sum_if_all(part.tokenization_s for part in parts),
        errors=count_errors((error.text, error.count) for part in parts for error in part.errors),
    )


def _pool_traces(raws: Sequence[RawProcessResult], traces: Traces) -> list[RequestTrace]:
    return [trace for raw in raws for trace in traces[raw.cycle, raw.process_index]]


def _energy(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
    read: Mapping[int, Mapping[Place, DomainReading]],
    inference: InferenceMetrics,
) -> EnergyMetrics:
    """The sums of what was read, fail-closed: only what was read for all of the work adds up."""
    raws = [raw for group in by_cycle.values() for raw in group]
    counted = void_uncovered(by_cycle, read)
    energy = energy_metrics(_listed(counted), raws, inference, read=_listed(read))
    absent: dict[str, list[int]] = {}
    for cycle, group in by_cycle.items():
        if (words := find_absent(group)) is not None:
            absent.setdefault(words, []).append(cycle)
    if absent and not energy_off(raw.energy for raw in raws):
        energy = without_total(energy, join_by_cycle(absent, len(by_cycle)))
    for difference in find_differences(by_cycle):
        if difference.code in VOIDING and not energy_off(raw.energy for raw in raws):
            sources = difference.code is ReasonCode.ENERGY_SOURCES_DIFFER
            energy = without_total(energy, difference.detail, addable=not sources)
    return with_marginal(energy, counted, raws)


def _listed(
    counted: Mapping[int, Mapping[Place, DomainReading]],
) -> dict[int, list[DomainReading]]:
    return {cycle: list(places.values()) for cycle, places in counted.items()}


def _cycle_values(
    cycle: int,
    group: Sequence[RawProcessResult],
    counted: Mapping[Place, DomainReading],
    traces: Traces,
) -> CycleValues:
    inference = _cycle_inference(group)
    energy = _energy({cycle: group}, {cycle: counted}, inference)
    e2e = latency_metrics(_pool_traces(group, traces)).e2e_ms
    return CycleValues(
        cycle=cycle,
        duration_s=inference.duration_s,
        input_tokens=inference.input_tokens,
        output_tokens=inference.output_tokens,
        output_tokens_per_s=inference.output_tokens_per_s,
        total_j=energy.total_j,
        partial_j=energy.partial_j,
        uncertainty_j=energy.uncertainty_j,
        marginal_j=energy.marginal_j,
        j_per_output_token=energy.j_per_output_token,
        e2e_ms_mean=None if e2e is None else e2e.mean,
        validity=judge(cycle_reasons(cycle, group, inference, energy)),
    )


def _stats(values: Sequence[CycleValues], *, alike: bool) -> SpreadOverCycles:
    """The spread of each quantity; of joules only where all cycles are of one kind.

    A marginal energy that fell out for being below zero would leave a mean of the others only.
    """
    columns = {name: [getattr(value, name) for value in values] for name in _STATS}
    if not alike:
        columns |= {name: [] for name in _JOULES}
    if None in columns["marginal_j"]:
        columns["marginal_j"] = []
    return SpreadOverCycles(**{name: cycle_stats(column) for name, column in columns.items()})


def _per_cycle(energy: EnergyMetrics, n: int, stats: CycleStats | None) -> EnergyPerCycle:
    """The mean of all cycles; without a total there is none, nor a spread around it."""
    known = stats if energy.total_j is not None else None
    low_j, high_j = (known.ci95 if known is not None else None) or (None, None)
    return EnergyPerCycle(
        mean_j=ratio(energy.total_j, n),
        meter_uncertainty_j=ratio(energy.uncertainty_j, n),
        spread_uncertainty_j=None if low_j is None or high_j is None else (high_j - low_j) / 2,
        std_j=None if known is None else known.std,
        n=n,
    )


def _differ(by_cycle: Mapping[int, Sequence[RawProcessResult]]) -> bool:
    return any(difference.code in VOIDING for difference in find_differences(by_cycle))


def _compute(by_cycle: Mapping[int, Sequence[RawProcessResult]]) -> ComputeMetrics:
    """Peak memory: the sum over the processes of a cycle, the largest of all cycles."""
    parts = [[raw.compute for raw in group] for group in by_cycle.values()]
    every = [part for group in parts for part in group]
    peaks = [sum_if_all(part.peak_memory_bytes for part in group) for group in parts]
    flops = sum_if_all(part.flops_total for part in every)
    known = [peak for peak in peaks if peak is not None]
    peak = max(known) if len(known) == len(peaks) else None
    return ComputeMetrics(
        model_parameters=every[0].model_parameters,
        peak_memory_bytes=None if peak is None else int(peak),
        peak_memory_source=None if peak is None else every[0].peak_memory_source,
        flops_total=flops,
        flops_reason=None
        if flops is not None
        else next((part.flops_reason for part in every if part.flops_reason), None),
    )


def _summary(raw: RawProcessResult) -> ProcessSummary:
    requests = PurePosixPath(raw.requests_file or "")
    return ProcessSummary(
        process_index=raw.process_index,
        cycle=raw.cycle,
        hostname=raw.environment.hostname,
        window=raw.window,
        input_tokens=raw.inference.input_tokens,
        output_tokens=raw.inference.output_tokens,
        threads=raw.load.threads,
        load=raw.load,
        raw_file=str(requests.parent / f"process_{raw.process_index}.json"),
    )
