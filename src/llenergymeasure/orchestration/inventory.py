"""What experiments there are, from the states and the stored aggregates together.

The state says where an experiment stands. An aggregate without a state (copied here, or its
state was deleted) is listed too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from llenergymeasure.domain.experiment import AggregatedResult, ExperimentStatus
from llenergymeasure.domain.validity import ValidityStatus
from llenergymeasure.exceptions import (
    ConfigurationError,
    LLEnergyMeasureError,
    UnknownExperimentError,
)
from llenergymeasure.results.repository import FileSystemRepository
from llenergymeasure.state.experiment_state import ExperimentState
from llenergymeasure.state.manager import LATEST, StateManager


@dataclass(frozen=True)
class Places:
    """Where to look.

    Attributes:
        results_dir: Its aggregates are listed even without a state.
        state_dir: The states.
        only_here: Leave out experiments whose results lie in another folder.
    """

    results_dir: Path
    state_dir: Path
    only_here: bool = False


@dataclass(frozen=True)
class ResultSummary:
    """The main numbers of an aggregate."""

    model: str
    backend: str
    output_tokens: int
    output_tokens_per_s: float | None
    total_j: float | None
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


def aggregate_file(results_dir: Path, experiment_id: str) -> Path:
    """Where the aggregate of an experiment lies."""
    return results_dir / "aggregated" / f"{experiment_id}.json"


def log_file(results_dir: Path, experiment_id: str) -> Path:
    """Where the log of an experiment lies."""
    return results_dir / "raw" / experiment_id / "logs" / f"{experiment_id}.log"


def list_experiments(places: Places, *, include_unfinished: bool = False) -> list[ExperimentEntry]:
    """All experiments, oldest first; only aggregated ones unless told otherwise.

    States of processes that died are put right before.
    """
    states = StateManager(places.state_dir)
    states.sweep_stale()
    entries = [_entry(experiment_id, places, states) for experiment_id in _ids(places, states)]
    here = [e for e in entries if not places.only_here or e.results_dir == places.results_dir]
    if include_unfinished:
        return here
    return [e for e in here if e.status is ExperimentStatus.AGGREGATED]


def find_experiment(text: str, places: Places) -> ExperimentEntry:
    """The experiment that a user means: an id, the beginning of just one, or ``latest``.

    Raises:
        UnknownExperimentError: None or several fit.
    """
    states = StateManager(places.state_dir)
    states.sweep_stale()
    known = _ids(places, states)
    if places.only_here:
        known = [i for i in known if _results_dir(i, places, states) == places.results_dir]
    return _entry(_resolve(text, known, places), places, states)


def load_result(text: str, places: Places) -> tuple[AggregatedResult, Path]:
    """The aggregate of an experiment (see ``find_experiment``) and its file.

    Raises:
        UnknownExperimentError: None or several fit.
        ConfigurationError: It is not aggregated; the hint says what to do.
        StorageError: Its file cannot be read.
    """
    entry = find_experiment(text, places)
    if entry.status is not ExperimentStatus.AGGREGATED:
        why = f": {entry.reason}" if entry.reason else ""
        raise ConfigurationError(
            f"experiment {entry.experiment_id} is {entry.status or 'unreadable'}{why}",
            hint=next_step(entry),
        )
    result = FileSystemRepository(entry.results_dir).load_aggregated(entry.experiment_id)
    return result, aggregate_file(entry.results_dir, entry.experiment_id)


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


def _ids(places: Places, states: StateManager) -> list[str]:
    stored = FileSystemRepository(places.results_dir).aggregated_ids()
    return sorted({*states.ids(), *stored})


def _resolve(text: str, known: list[str], places: Places) -> str:
    if not known:
        raise UnknownExperimentError(
            f"there are no experiments in {places.results_dir} yet",
            hint="measure one with: lem experiment CONFIG",
        )
    if text == LATEST:
        return known[-1]
    fitting = [i for i in known if i == text] or [i for i in known if text and i.startswith(text)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        more = " ..." if len(fitting) > 5 else ""
        raise UnknownExperimentError(
            f"{len(fitting)} experiments begin with {text!r}",
            hint=f"they are: {', '.join(fitting[:5])}{more}",
        )
    raise UnknownExperimentError(
        f"there is no experiment {text!r}", hint="list them with: lem results list --all"
    )


def _state(experiment_id: str, states: StateManager) -> ExperimentState | None:
    try:
        return states.load(experiment_id)
    except UnknownExperimentError:
        return None


def _results_dir(experiment_id: str, places: Places, states: StateManager) -> Path:
    try:
        state = _state(experiment_id, states)
    except LLEnergyMeasureError:
        return places.results_dir
    return places.results_dir if state is None else Path(state.results_dir)


def _entry(experiment_id: str, places: Places, states: StateManager) -> ExperimentEntry:
    try:
        state = _state(experiment_id, states)
    except LLEnergyMeasureError as error:
        return _unreadable(experiment_id, error, places.results_dir)
    if state is None:
        return _aggregated(experiment_id, None, places.results_dir)
    results_dir = Path(state.results_dir)
    if state.status is ExperimentStatus.AGGREGATED:
        return _aggregated(experiment_id, state, results_dir)
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


def _aggregated(
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
        j_per_output_token=energy.j_per_output_token,
        energy_origin="replayed" if energy.replayed else energy.headline,
        validity=result.validity.status,
    )
