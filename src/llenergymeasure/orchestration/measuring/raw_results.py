"""From one measured window to the raw result that is stored of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.core.machine.load import contention_reason
from llenergymeasure.core.processes.measurements import OtherMeasurement
from llenergymeasure.core.window import WindowOutcome
from llenergymeasure.domain.base import describe_refusal
from llenergymeasure.domain.baseline import DomainBaseline
from llenergymeasure.domain.environment import EnvironmentMetadata, LoadSample, MachineLoad
from llenergymeasure.domain.experiment import (
    BackendInfo,
    PromptsInfo,
    RawProcessResult,
    WarmupInfo,
)
from llenergymeasure.domain.metrics import (
    ComputeMetrics,
    InferenceMetrics,
    LatencyMetrics,
    inference_metrics,
    latency_metrics,
)
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.validity import Reason
from llenergymeasure.exceptions import BackendError
from llenergymeasure.orchestration.context import ExperimentContext
from llenergymeasure.orchestration.measuring.reasons import process_reasons
from llenergymeasure.orchestration.measuring.reasons_before import baseline_reasons
from llenergymeasure.orchestration.measuring.reasons_model import (
    batch_reason,
    dummy_reason,
    weights_reason,
)

logger = logging.getLogger(__name__)


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
    others_before: tuple[OtherMeasurement, ...] = ()


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
    inference, latency = _summarise(config.backend, outcome)
    return RawProcessResult(
        experiment_id=context.experiment_id,
        config_name=config.config_name,
        config_hash=context.config_hash,
        cycle=cycle,
        process_index=prepared.rank.index,
        process_count=prepared.rank.count,
        created_at=datetime.now(UTC),
        window=outcome.window,
        inference=inference,
        latency=latency,
        energy=outcome.reading,
        compute=_ask_compute(config.backend, backend),
        model=prepared.model,
        backend=BackendInfo(name=config.backend, version=prepared.model.engine_version),
        prompts=prepared.prompts,
        baseline=prepared.baseline,
        warmup=prepared.warmup,
        environment=prepared.environment,
        load=load,
        reasons=_reasons(prepared, outcome, load),
    )


def _summarise(name: str, outcome: WindowOutcome) -> tuple[InferenceMetrics, LatencyMetrics]:
    """Counts and latency of the requests.

    Raises:
        BackendError: The engine told times or counts that cannot be.
    """
    try:
        return (
            inference_metrics(outcome.traces, outcome.window.duration_s),
            latency_metrics(outcome.traces),
        )
    except ValidationError as error:
        raise BackendError(
            f"backend {name} told of its requests what cannot be: {describe_refusal(error)}",
            hint=f"check the backend with: lem backends --check {name}",
        ) from error


def _ask_compute(name: str, backend: InferenceBackend) -> ComputeMetrics:
    """Memory and size of the model; what an engine cannot tell must not cost a measured cycle."""
    try:
        return backend.compute_metrics()
    except Exception as error:
        logger.exception("backend %s failed to tell memory and size of the model", name)
        why = f"{type(error).__name__}: {error}"
        if isinstance(error, ValidationError):
            why = describe_refusal(error)
        return ComputeMetrics(flops_reason=f"backend {name} failed to tell: {why}")


def _reasons(prepared: Prepared, outcome: WindowOutcome, load: MachineLoad) -> tuple[Reason, ...]:
    found = process_reasons(
        outcome.traces,
        outcome.reading,
        outcome.window,
        prepared.warmup,
        prepared.config.min_duration_s,
    )
    others = (
        contention_reason(load, prepared.others_before),
        dummy_reason(prepared.model),
        weights_reason(prepared.model),
        batch_reason(prepared.model, outcome.traces),
    )
    told = (reason for reason in others if reason is not None)
    return (*found, *told, *baseline_reasons(prepared.baseline))
