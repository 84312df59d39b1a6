"""What one measuring process does, from the idle device to the saved raw results."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.environment import collect_environment
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.core.machine.load import LoadMeter
from llenergymeasure.core.processes.measurements import find_other_measurements
from llenergymeasure.core.processes.orphans import adopt_orphans
from llenergymeasure.core.prompts import load_prompts, pin_source
from llenergymeasure.core.window import measure_window
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.domain.prompt import Prompt
from llenergymeasure.domain.trace import InferenceRequest
from llenergymeasure.exceptions import ConfigurationError
from llenergymeasure.orchestration.context import ExperimentContext
from llenergymeasure.orchestration.events import EventWriter
from llenergymeasure.orchestration.factory import (
    create_energy_backend,
    create_inference_backend,
    energy_label,
)
from llenergymeasure.orchestration.measuring.idle import IdleBaseline
from llenergymeasure.orchestration.measuring.priming import EnergyPriming
from llenergymeasure.orchestration.measuring.raw_results import Prepared, raw_result
from llenergymeasure.orchestration.measuring.reasons_model import model_warnings
from llenergymeasure.orchestration.measuring.requests import check_chats, check_lengths, requests_of
from llenergymeasure.orchestration.measuring.warmup import warm_up
from llenergymeasure.results.repository import FileSystemRepository
from llenergymeasure.tables import preload

logger = logging.getLogger(__name__)


def measure(context: ExperimentContext, rank: Rank, events: EventWriter) -> None:
    """Idle, load, warm up; then measure each cycle that is to do, and save it at once.

    Raises:
        LLEnergyMeasureError: What the launcher tells the parent.
    """
    config = context.experiment_config
    # Zombies of adopted orphans go when this process ends.
    adopt_orphans()
    texts, prompts = _same_prompts(context)
    requests = requests_of(config, texts)
    before = LoadMeter(parent_pid=context.parent_pid)
    # Writing the results needs the preloaded libraries; now, while the model loads, is the time.
    source, label = create_energy_backend(config, rank), energy_label(config.energy.backend)
    priming = EnergyPriming(source, label, afterwards=preload)
    with closing(create_inference_backend(config)) as backend, closing(priming):
        idle = IdleBaseline(
            config,
            priming,
            backend,
            events,
            parent_pid=context.parent_pid,
            reads_machine=rank.reads_machine,
        )
        idle.before_load()
        events.phase("loading")
        backend.load()
        model = backend.describe()
        check_chats(texts, prompts, model)
        for warning in model_warnings(model):
            events.notice(warning)
        baseline = idle.after_load(model)
        if priming.is_under_way():
            events.phase("preparing the energy source")
        energy = priming.ready()
        warmup = warm_up(backend, energy, config, texts, events)
        prepared = Prepared(
            context=context,
            config=config,
            rank=rank,
            prompts=prompts,
            model=model,
            environment=collect_environment(),
            baseline=baseline,
            warmup=warmup,
            load_before=before.sample(),
            others_before=tuple(find_other_measurements()),
        )
        repository = FileSystemRepository(Path(context.results_dir))
        for cycle in context.cycles:
            _measure_cycle(prepared, cycle, backend, energy, requests, repository, events)
        events.saved()


def _measure_cycle(
    prepared: Prepared,
    cycle: int,
    backend: InferenceBackend,
    energy: EnergyBackend,
    requests: Sequence[InferenceRequest],
    repository: FileSystemRepository,
    events: EventWriter,
) -> None:
    events.phase("measuring", cycle=cycle, total=len(requests))
    outcome = measure_window(
        backend,
        energy,
        requests,
        source=energy_label(prepared.config.energy.backend),
        on_trace=lambda trace: events.answered(len(trace.output_token_ids)),
        parent_pid=prepared.context.parent_pid,
    )
    check_lengths(requests, outcome.traces)
    events.phase("saving", cycle=cycle, total=len(requests))
    result = raw_result(prepared, cycle, backend, outcome)
    repository.save_raw(
        result,
        outcome.traces,
        cycles_planned=prepared.context.planned_cycles,
        series=outcome.samples if prepared.config.timeseries.kept else (),
    )
    logger.info("cycle %d saved", cycle)


def _same_prompts(context: ExperimentContext) -> tuple[list[Prompt], PromptsInfo]:
    """The prompts, which must still be those that the experiment was created with."""
    config = context.experiment_config
    # Resolved when the experiment was created; a resume may start from another folder.
    asked = pin_source(config.prompts, context.prompts)
    texts, info = load_prompts(asked, config.num_prompts, base_dir=None)
    if info.used_sha256 != context.prompts.used_sha256:
        raise ConfigurationError(
            f"the prompts in {info.source} have changed since experiment "
            f"{context.experiment_id} was created",
            hint="restore the file, or start a new experiment: cycles over different prompts "
            "do not belong together",
        )
    return texts, info
