"""From one measured window to the raw result that is stored of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.core.machine.load import contention_reason
from llenergymeasure.core.window import WindowOutcome
from llenergymeasure.domain.baseline import DomainBaseline
from llenergymeasure.domain.environment import EnvironmentMetadata, LoadSample, MachineLoad
from llenergymeasure.domain.experiment import (
    BackendInfo,
    PromptsInfo,
    RawProcessResult,
    WarmupInfo,
)
from llenergymeasure.domain.metrics import inference_metrics, latency_metrics
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.validity import Reason
from llenergymeasure.orchestration.context import ExperimentContext
from llenergymeasure.orchestration.measuring.reasons import dummy_reason, process_reasons
from llenergymeasure.orchestration.measuring.reasons_before import baseline_reasons


@dataclass(frozen=True)
class Prepared:
    """What stays the same over the cycles of one process."""

    context: ExperimentContext
    config: ExperimentConfig
    rank: Rank
    prompts: PromptsInfo
    model: ModelInfo
    environment: EnvironmentMetadata
    baseline: tuple[DomainBaseline, ...]
    warmup: WarmupInfo
    load_before: LoadSample


def raw_result(
    prepared: Prepared, cycle: int, backend: InferenceBackend, outcome: WindowOutcome
) -> RawProcessResult:
    """The result of one process and cycle, with what speaks against it."""
    context, config = prepared.context, prepared.config
    load = MachineLoad(
        before=prepared.load_before,
        during=outcome.load,
        threads=prepared.model.threads,
        affinity=prepared.environment.affinity,
    )
    return RawProcessResult(
        experiment_id=context.experiment_id,
        config_name=config.config_name,
        cycle=cycle,
        process_index=prepared.rank.index,
        process_count=prepared.rank.count,
        created_at=datetime.now(UTC),
        window=outcome.window,
        inference=inference_metrics(outcome.traces, outcome.window.duration_s),
        latency=latency_metrics(outcome.traces),
        energy=outcome.reading,
        compute=backend.compute_metrics(),
        model=prepared.model,
        backend=BackendInfo(name=config.backend, version=prepared.model.engine_version),
        prompts=prepared.prompts,
        baseline=prepared.baseline,
        warmup=prepared.warmup,
        environment=prepared.environment,
        load=load,
        reasons=_reasons(prepared, outcome, load),
    )


def _reasons(prepared: Prepared, outcome: WindowOutcome, load: MachineLoad) -> tuple[Reason, ...]:
    found = process_reasons(
        outcome.traces,
        outcome.reading,
        outcome.window,
        prepared.warmup,
        prepared.config.min_duration_s,
    )
    others = (contention_reason(load), dummy_reason(prepared.model))
    told = (reason for reason in others if reason is not None)
    return (*found, *told, *baseline_reasons(prepared.baseline))
