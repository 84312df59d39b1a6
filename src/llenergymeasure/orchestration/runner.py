"""One experiment from the watching side: create, launch, follow, aggregate.

The measuring process is a child. Whatever becomes of it, this side says how it ended and leaves
a state that is true and, where cycles are missing, can be resumed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llenergymeasure.config.loader import LoadedConfig
from llenergymeasure.config.problems.origins import name_origins
from llenergymeasure.core.processes.measurements import describe_others, find_other_measurements
from llenergymeasure.domain.experiment import AggregatedResult, ExperimentStatus
from llenergymeasure.domain.metrics import InferenceMetrics, count_errors
from llenergymeasure.exceptions import (
    ConfigurationError,
    ExperimentInterruptedError,
    LLEnergyMeasureError,
    RunError,
    StorageError,
    UnknownExperimentError,
)
from llenergymeasure.logging import experiment_log
from llenergymeasure.orchestration.aggregate import aggregate_experiment
from llenergymeasure.orchestration.child import run_child
from llenergymeasure.orchestration.context import (
    ExperimentContext,
    config_hash,
    last_context,
)
from llenergymeasure.orchestration.lifecycle import termination_as_interrupt
from llenergymeasure.orchestration.planning import RunOptions, RunPlan, plan
from llenergymeasure.orchestration.stored.entry import ExperimentEntry, Trouble
from llenergymeasure.orchestration.stored.inventory import explain
from llenergymeasure.progress import Progress, ProgressObserver
from llenergymeasure.results.repository import FileSystemRepository
from llenergymeasure.results.sums.wording import describe_errors
from llenergymeasure.security import redact
from llenergymeasure.state.experiment_state import ExperimentState
from llenergymeasure.state.manager import StateManager
from llenergymeasure.tables import preload

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOutcome:
    """How an experiment ended.

    Attributes:
        result: None if it was not to be aggregated.
        failure: Why what is saved is no success, although all went its way: nothing was answered.
    """

    experiment_id: str
    status: ExperimentStatus
    result: AggregatedResult | None
    failure: RunError | None = None


def run(loaded: LoadedConfig, options: RunOptions, observer: ProgressObserver) -> RunOutcome:
    """Run a new experiment.

    Raises:
        LLEnergyMeasureError: The input is wrong, or the run failed; the state says so too.
        ExperimentInterruptedError: Ctrl-C, SIGTERM or SIGHUP.
    """
    return run_planned(loaded, plan(loaded, options), options, observer)


def run_planned(
    loaded: LoadedConfig, planned: RunPlan, options: RunOptions, observer: ProgressObserver
) -> RunOutcome:
    """Run what was planned with the same config and options (see ``run``)."""
    states = StateManager(options.state_dir)
    digest = config_hash(loaded.config)
    if not options.fresh:
        _name_unfinished(states, digest, observer)
    state = states.create(
        config_name=loaded.config.config_name,
        config_hash=digest,
        planned_cycles=planned.cycles,
        results_dir=options.results_dir,
    )
    context = ExperimentContext(
        experiment_id=state.experiment_id,
        attempt=1,
        config=loaded.config.model_dump(mode="json"),
        config_hash=digest,
        provenance=dict(loaded.provenance),
        prompts=planned.prompts,
        results_dir=str(options.results_dir),
        cycles=tuple(range(1, planned.cycles + 1)),
        planned_cycles=planned.cycles,
        created_at=state.created_at,
        parent_pid=os.getpid(),
    )
    with name_origins(loaded.origins_in):
        return _Attempt(context, states, options, observer).execute()


def resume(entry: ExperimentEntry, options: RunOptions, observer: ProgressObserver) -> RunOutcome:
    """Go on with an experiment: finished cycles stay, unfinished ones are measured whole.

    Raises:
        StorageError: Its saved context is gone.
        ConfigurationError: It is still running, finished already, or its prompts have changed.
    """
    states = StateManager(options.state_dir)
    experiment_id, results_dir = entry.experiment_id, entry.results_dir
    if entry.is_finished:
        raise ConfigurationError(
            f"experiment {experiment_id} is finished, there is nothing to resume",
            hint=f"show it with: lem results show {experiment_id}",
        )
    if entry.status is Trouble.GONE:
        raise explain(entry)
    options = replace(options, results_dir=results_dir)
    last = last_context(results_dir, experiment_id)
    if experiment_id not in states.ids():
        _adopt(last, states, results_dir)
    state = states.load(experiment_id)
    repository = FileSystemRepository(results_dir)
    done = repository.completed_cycles(experiment_id)
    if state.status in (ExperimentStatus.COMPLETED, ExperimentStatus.AGGREGATED):
        if len(done) == last.planned_cycles:
            return _finish(experiment_id, states, options, observer)
        states.transition(
            experiment_id, ExperimentStatus.FAILED, reason="a result was damaged after the run"
        )
    states.claim(experiment_id, results_dir)
    todo = tuple(c for c in range(1, last.planned_cycles + 1) if c not in done)
    for cycle in todo:
        # Whatever a dead attempt left of it must not be mixed with the new one.
        repository.discard_cycle(experiment_id, cycle)
    context = last.model_copy(
        update={
            "attempt": last.attempt + 1,
            "cycles": todo,
            "parent_pid": os.getpid(),
        }
    )
    return _Attempt(context, states, options, observer).execute()


def _adopt(context: ExperimentContext, states: StateManager, results_dir: Path) -> None:
    """Give a state to an experiment that was copied here without one, unless it is running."""
    experiment_id = context.experiment_id
    others = [str(other) for other in find_other_measurements()]
    if any(experiment_id in other for other in others):
        raise ConfigurationError(
            f"experiment {experiment_id} is still running, and its state lies elsewhere",
            hint="wait for it; LLM_ENERGY_STATE_DIR names the folder of the states",
        )
    states.adopt(
        experiment_id,
        config_name=context.experiment_config.config_name,
        config_hash=context.config_hash,
        planned_cycles=context.planned_cycles,
        results_dir=results_dir,
        created_at=context.created_at,
    )


def aggregate(
    entry: ExperimentEntry, options: RunOptions, *, overwrite: bool = False
) -> AggregatedResult:
    """Aggregate the raw results of an experiment and save the aggregate.

    Raises:
        ConfigurationError: It is aggregated already and ``overwrite`` is False, or unfinished.
        StorageError: Its files are damaged or gone.
    """
    if entry.is_finished and not overwrite:
        raise ConfigurationError(
            f"experiment {entry.experiment_id} is aggregated already",
            hint="overwrite its aggregate with --yes",
        )
    if not entry.is_finished and not entry.waits:
        raise explain(entry)
    return _aggregate(entry.experiment_id, StateManager(options.state_dir), entry.results_dir)


class _Attempt:
    """One launch of the measuring process, with the state kept true around it."""

    def __init__(
        self,
        context: ExperimentContext,
        states: StateManager,
        options: RunOptions,
        observer: ProgressObserver,
    ) -> None:
        self._context = context
        self._id = context.experiment_id
        self._states = states
        self._options = options
        self._observer = observer

    def execute(self) -> RunOutcome:
        """Run it to its end (see ``run``)."""
        try:
            with termination_as_interrupt():
                return self._run_guarded()
        except KeyboardInterrupt as error:
            self._end(ExperimentStatus.INTERRUPTED, "stopped by the user", None)
            raise ExperimentInterruptedError(
                f"experiment {self._id} was interrupted; finished cycles are kept",
                hint=f"continue it with: lem experiment --resume {self._id}",
            ) from error
        except LLEnergyMeasureError as error:
            self._end(ExperimentStatus.FAILED, error.message, error.exit_code)
            raise
        except Exception as error:
            self._end(ExperimentStatus.FAILED, f"{type(error).__name__}: {error}", None)
            raise

    def _run_guarded(self) -> RunOutcome:
        self._context.save()
        with experiment_log(self._context.log_path, redact):
            self._observer.started(self._id, str(self._context.log_path))
            others = describe_others()
            if others is not None:
                self._observer.notice(others)
            if self._context.cycles:
                run_child(self._context, self._observer, self._mark_running)
            else:
                # Everything was measured before whoever watched it died.
                self._mark_running(None)
            self._states.transition(self._id, ExperimentStatus.COMPLETED)
            return _finish(self._id, self._states, self._options, self._observer)

    def _mark_running(self, child_pid: int | None) -> None:
        self._states.mark_running(
            self._id, child_pid=child_pid, context_file=str(self._context.path)
        )
        # The aggregate needs it; now, while the child loads its model, it disturbs nothing.
        preload()

    def _end(self, status: ExperimentStatus, reason: str, exit_code: int | None) -> None:
        current = self._states.load(self._id).status
        if current in (ExperimentStatus.INITIALISED, ExperimentStatus.RUNNING) or (
            current is ExperimentStatus.COMPLETED and status is ExperimentStatus.FAILED
        ):
            self._states.transition(self._id, status, reason=reason, exit_code=exit_code)


def _finish(
    experiment_id: str, states: StateManager, options: RunOptions, observer: ProgressObserver
) -> RunOutcome:
    if not options.aggregate:
        raws = FileSystemRepository(options.results_dir).load_raw(experiment_id)
        failure = _why_empty(experiment_id, [raw.inference for raw in raws])
        return RunOutcome(experiment_id, ExperimentStatus.COMPLETED, None, failure)
    observer.progress(Progress(phase="aggregating"))
    result = _aggregate(experiment_id, states, options.results_dir)
    failure = _why_empty(experiment_id, [result.metrics.inference])
    return RunOutcome(experiment_id, ExperimentStatus.AGGREGATED, result, failure)


def _why_empty(experiment_id: str, parts: Sequence[InferenceMetrics]) -> RunError | None:
    """Why a run is no success: none of its requests was answered."""
    requests = sum(part.requests for part in parts)
    if sum(part.failed_requests for part in parts) < requests:
        return None
    errors = count_errors((error.text, error.count) for part in parts for error in part.errors)
    words = "; ".join([f"none of {requests} requests was answered", *describe_errors(errors)])
    logger.error("%s", words)
    return RunError(words, hint=f"what is saved: lem results show {experiment_id}")


def _aggregate(experiment_id: str, states: StateManager, results_dir: Path) -> AggregatedResult:
    context = last_context(results_dir, experiment_id)
    result = aggregate_experiment(context, FileSystemRepository(results_dir))
    try:
        state = states.load(experiment_id)
    except (UnknownExperimentError, StorageError):
        # One that was copied here has none; one that cannot be read is told in lists.
        return result
    if state.status is ExperimentStatus.COMPLETED:
        states.transition(experiment_id, ExperimentStatus.AGGREGATED)
    return result


def _name_unfinished(states: StateManager, digest: str, observer: ProgressObserver) -> None:
    states.sweep_stale()
    unfinished: Sequence[ExperimentState] = states.find_unfinished(digest)
    if unfinished:
        last = unfinished[-1]
        observer.notice(
            f"an earlier run of this config is unfinished ({last.experiment_id}, {last.status}); "
            f"continue it with: lem experiment --resume {last.experiment_id}"
        )
