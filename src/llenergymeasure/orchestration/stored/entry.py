"""One experiment as it is listed: its state, and the main numbers of its aggregate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llenergymeasure.domain.experiment import AggregatedResult, ExperimentStatus
from llenergymeasure.domain.validity import ValidityStatus
from llenergymeasure.exceptions import LLEnergyMeasureError, UnknownExperimentError
from llenergymeasure.results.repository import FileSystemRepository
from llenergymeasure.state.experiment_state import ExperimentState
from llenergymeasure.state.manager import StateManager


@dataclass(frozen=True)
class ResultSummary:
    """The main numbers of an aggregate."""

    model: str
    backend: str
    output_tokens: int
    output_tokens_per_s: float | None
    total_j: float | None
    j_per_cycle: float | None
    j_per_output_token: float | None
    energy_origin: str | None
    validity: ValidityStatus


@dataclass(frozen=True)
class ExperimentEntry:
    """One experiment.

    Attributes:
        status: None if its state cannot be read.
        reason: Why it failed or was interrupted, or what is wrong with its files.
        cycles_done: Cycles with a whole result; None where that cannot be told.
        pid: The watching process, while it runs.
        summary: None unless it is aggregated and readable.
    """

    experiment_id: str
    config_name: str | None
    status: ExperimentStatus | None
    reason: str | None
    created_at: datetime | None
    cycles_done: int | None
    planned_cycles: int | None
    results_dir: Path
    pid: int | None = None
    summary: ResultSummary | None = None


def next_step(entry: ExperimentEntry) -> str | None:
    """What to type next."""
    steps = {
        ExperimentStatus.INTERRUPTED: "lem experiment --resume",
        ExperimentStatus.FAILED: "lem experiment --resume",
        ExperimentStatus.COMPLETED: "lem aggregate",
        ExperimentStatus.AGGREGATED: "lem results show",
    }
    if entry.status not in steps:
        return None
    return f"{steps[entry.status]} {entry.experiment_id}"


def state_of(experiment_id: str, states: StateManager) -> ExperimentState | None:
    """Its state; None if it has none."""
    try:
        return states.load(experiment_id)
    except UnknownExperimentError:
        return None


def make_entry(
    experiment_id: str, states: StateManager, default_results_dir: Path
) -> ExperimentEntry:
    """What is known of an experiment; whatever cannot be read is said in its reason.

    Args:
        experiment_id: A whole id.
        states: The states.
        default_results_dir: Where the results lie if there is no state to say it.
    """
    try:
        state = state_of(experiment_id, states)
    except LLEnergyMeasureError as error:
        return _unreadable(experiment_id, error, default_results_dir)
    if state is None:
        return _load_aggregate(experiment_id, None, default_results_dir)
    results_dir = Path(state.results_dir)
    if state.status is ExperimentStatus.AGGREGATED:
        return _load_aggregate(experiment_id, state, results_dir)
    return ExperimentEntry(
        experiment_id=experiment_id,
        config_name=state.config_name,
        status=state.status,
        reason=state.reason,
        created_at=state.created_at,
        cycles_done=_cycles_done(experiment_id, results_dir),
        planned_cycles=state.planned_cycles,
        results_dir=results_dir,
        pid=state.owner.pid if state.owner and state.status is ExperimentStatus.RUNNING else None,
    )


def _cycles_done(experiment_id: str, results_dir: Path) -> int | None:
    try:
        return len(FileSystemRepository(results_dir).completed_cycles(experiment_id))
    except LLEnergyMeasureError:
        return None


def _unreadable(experiment_id: str, error: Exception, results_dir: Path) -> ExperimentEntry:
    return ExperimentEntry(
        experiment_id=experiment_id,
        config_name=None,
        status=None,
        reason=str(error),
        created_at=None,
        cycles_done=_cycles_done(experiment_id, results_dir),
        planned_cycles=None,
        results_dir=results_dir,
    )


def _load_aggregate(
    experiment_id: str, state: ExperimentState | None, results_dir: Path
) -> ExperimentEntry:
    try:
        result = FileSystemRepository(results_dir).load_aggregated(experiment_id)
    except LLEnergyMeasureError as error:
        return ExperimentEntry(
            experiment_id=experiment_id,
            config_name=state.config_name if state else None,
            status=ExperimentStatus.AGGREGATED,
            reason=str(error),
            created_at=state.created_at if state else None,
            cycles_done=None,
            planned_cycles=state.planned_cycles if state else None,
            results_dir=results_dir,
        )
    return ExperimentEntry(
        experiment_id=experiment_id,
        config_name=result.config_name,
        status=ExperimentStatus.AGGREGATED,
        reason=None,
        created_at=result.created_at,
        cycles_done=result.cycles.n,
        planned_cycles=state.planned_cycles if state else result.cycles.n,
        results_dir=results_dir,
        summary=_summary(result),
    )


def _summary(result: AggregatedResult) -> ResultSummary:
    inference, energy = result.metrics.inference, result.metrics.energy
    return ResultSummary(
        model=result.model.name,
        backend=result.backend.name,
        output_tokens=inference.output_tokens,
        output_tokens_per_s=inference.output_tokens_per_s,
        total_j=energy.total_j,
        j_per_cycle=None if energy.total_j is None else energy.total_j / result.cycles.n,
        j_per_output_token=energy.j_per_output_token,
        energy_origin="replayed" if energy.replayed else energy.headline,
        validity=result.validity.status,
    )
