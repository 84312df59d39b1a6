"""The aggregate of an experiment from the results of its processes and cycles. Pure.

Counts and joules are sums over processes and cycles, rates are ratios of sums, latency is
summarised over all requests together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from llenergymeasure.domain.energy import DomainReading, total_energy
from llenergymeasure.domain.experiment import (
    AggregatedResult,
    Cycles,
    CycleValues,
    ExperimentStatus,
    Metrics,
    ProcessSummary,
    RawProcessResult,
)
from llenergymeasure.domain.metrics import (
    ComputeMetrics,
    InferenceMetrics,
    inference_from_counts,
    latency_metrics,
    ratio,
)
from llenergymeasure.domain.statistics import cycle_stats
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import judge
from llenergymeasure.exceptions import StorageError
from llenergymeasure.results.energy_sums import cycle_domains, energy_metrics
from llenergymeasure.results.reasons import cycle_reasons, experiment_reasons

Traces = Mapping[tuple[int, int], Sequence[RequestTrace]]

_STATS = ("duration_s", "output_tokens_per_s", "total_j", "j_per_output_token", "e2e_ms_mean")


def aggregate(
    raws: Sequence[RawProcessResult],
    traces: Traces,
    *,
    planned_cycles: int,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any],
    created_at: datetime,
) -> AggregatedResult:
    """Combine the results of one experiment.

    Args:
        raws: All of its results, in any order.
        traces: Their requests by (cycle, process index).
        planned_cycles: How many cycles there should be; fewer is a reason in the verdict.
        config: The resolved config.
        provenance: Where each given value of it comes from.
        created_at: When the experiment was created.

    Raises:
        StorageError: There are no results, or they do not belong together.
    """
    raws = sorted(raws, key=lambda raw: (raw.cycle, raw.process_index))
    _check_same(raws)
    by_cycle = _grouped(raws)
    domains = {cycle: cycle_domains(group) for cycle, group in by_cycle.items()}
    inference = _summed([_cycle_inference(group) for group in by_cycle.values()])
    energy = energy_metrics(list(domains.values()), raws, inference)
    pooled = [trace for raw in raws for trace in traces[raw.cycle, raw.process_index]]
    values = [_cycle_values(c, group, domains[c], traces) for c, group in by_cycle.items()]
    first = raws[0]
    return AggregatedResult(
        experiment_id=first.experiment_id,
        config_name=first.config_name,
        status=ExperimentStatus.AGGREGATED,
        created_at=created_at,
        aggregated_at=datetime.now(UTC),
        model=first.model,
        backend=first.backend,
        environment=first.environment,
        config=dict(config),
        provenance=dict(provenance),
        prompts=first.prompts,
        warmup=first.warmup,
        metrics=Metrics(
            inference=inference,
            latency=latency_metrics(pooled),
            energy=energy,
            compute=_compute(by_cycle),
        ),
        validity=judge(experiment_reasons(by_cycle, domains, planned_cycles)),
        cycles=Cycles(
            n=len(by_cycle),
            values=tuple(values),
            stats={name: cycle_stats([getattr(v, name) for v in values]) for name in _STATS},
        ),
        processes=tuple(_summary(raw) for raw in raws),
    )


def _check_same(raws: Sequence[RawProcessResult]) -> None:
    if not raws:
        raise StorageError("there are no results to aggregate")
    first = raws[0]
    same: dict[str, Callable[[RawProcessResult], object]] = {
        "experiments": lambda raw: raw.experiment_id,
        "backends": lambda raw: (raw.backend.name, raw.backend.version),
        "models": lambda raw: (raw.model.name, raw.model.revision, raw.model.parameters),
        "prompts": lambda raw: raw.prompts.used_sha256,
        "dtypes": lambda raw: raw.model.dtype,
    }
    for what, of in same.items():
        different = {str(of(raw)) for raw in raws}
        if len(different) > 1:
            raise StorageError(
                f"the results of {first.experiment_id} were made with different {what} "
                f"({', '.join(sorted(different))}), so they do not belong together",
                hint="measure again in one environment",
            )


def _grouped(raws: Sequence[RawProcessResult]) -> dict[int, list[RawProcessResult]]:
    groups: dict[int, list[RawProcessResult]] = {}
    for raw in raws:
        groups.setdefault(raw.cycle, []).append(raw)
    return groups


def _span_s(group: Sequence[RawProcessResult]) -> float:
    """From the first start to the last end. Monotonic clocks agree on one host only."""
    windows = [raw.window for raw in group]
    if len({raw.environment.hostname for raw in group}) == 1:
        start = min(window.start_monotonic_ns for window in windows)
        return (max(window.end_monotonic_ns for window in windows) - start) / 1e9
    begin = min(window.start_utc.timestamp() for window in windows)
    return max(window.start_utc.timestamp() + window.duration_s for window in windows) - begin


def _cycle_inference(group: Sequence[RawProcessResult]) -> InferenceMetrics:
    return _summed([raw.inference for raw in group], duration_s=_span_s(group))


def _summed(
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
    )


def _cycle_values(
    cycle: int,
    group: Sequence[RawProcessResult],
    domains: Sequence[DomainReading],
    traces: Traces,
) -> CycleValues:
    inference = _cycle_inference(group)
    totals = total_energy(domains)
    pooled = [trace for raw in group for trace in traces[cycle, raw.process_index]]
    e2e = latency_metrics(pooled).e2e_ms
    return CycleValues(
        cycle=cycle,
        duration_s=inference.duration_s,
        input_tokens=inference.input_tokens,
        output_tokens=inference.output_tokens,
        output_tokens_per_s=inference.output_tokens_per_s,
        total_j=totals.total_j,
        partial_j=totals.partial_j,
        j_per_output_token=ratio(totals.total_j, inference.output_tokens),
        e2e_ms_mean=None if e2e is None else e2e.mean,
        validity=judge(cycle_reasons(group, domains)),
    )


def _compute(by_cycle: Mapping[int, Sequence[RawProcessResult]]) -> ComputeMetrics:
    """Peak memory: the sum over the processes of a cycle, the largest of all cycles."""
    groups = list(by_cycle.values())
    peaks = [[raw.compute.peak_memory_bytes for raw in group] for group in groups]
    whole = [sum(p for p in peak if p is not None) for peak in peaks if None not in peak]
    first = groups[0][0].compute
    return first.model_copy(
        update={"peak_memory_bytes": max(whole) if len(whole) == len(peaks) else None}
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
