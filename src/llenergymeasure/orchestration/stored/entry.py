"""One experiment as it is listed: where it stands, and the main numbers of its aggregate.

A state is what was true when it was written. Whether results are there is asked of the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from llenergymeasure.domain.experiment import AggregatedResult, ExperimentStatus
from llenergymeasure.domain.metrics import ratio
from llenergymeasure.domain.validity import ValidityStatus
from llenergymeasure.exceptions import (
    DamagedFileError,
    LLEnergyMeasureError,
    UnknownExperimentError,
)
from llenergymeasure.orchestration.stored.lookup import (
    GoneError,
    RawFiles,
    locate,
    look_at_aggregate,
    look_at_raw,
    may_be_made_anew,
)
from llenergymeasure.state.experiment_state import ACTIVE, UNFINISHED, ExperimentState
from llenergymeasure.state.manager import StateManager


@dataclass(frozen=True)
class ResultSummary:
    """The main numbers of an aggregate.

    ``output_tokens`` and ``total_j`` are sums over ``cycles`` cycles. An ``uncertainty`` is half of
    the 95 % interval by the meter, or by the model of an estimate.
    """

    model: str
    backend: str
    cycles: int
    output_tokens: int
    output_tokens_per_s: float | None
    total_j: float | None
    total_uncertainty_j: float | None
    j_per_cycle: float | None
    j_per_cycle_uncertainty: float | None
    j_per_output_token: float | None
    j_per_output_token_uncertainty: float | None
    energy_origin: str | None
    validity: ValidityStatus


_REMOVE = (
    "if it was moved, name the folder of its results with --results-dir; "
    "if it is to be forgotten: lem results prune"
)


class Trouble(StrEnum):
    """Where an experiment stands whose files are not what its state says."""

    UNREADABLE = "unreadable"
    """A file is damaged, another version's, or not ours to read."""
    INCOMPLETE = "incomplete"
    """Cycles that were measured are not there any more."""
    GONE = "gone"
    """Nothing of its results is there."""


@dataclass(frozen=True)
class ExperimentEntry:
    """One experiment.

    Attributes:
        status: As the disk tells it.
        reason: Why it failed or was interrupted, or what is wrong with its files.
        next: What to type or do next.
        cycles_done: Cycles with a whole result; None where that cannot be told.
        pid: The watching process, while it runs.
        waits: Whether it can be aggregated and is not.
        is_lost: Whether there is nothing of it but a state.
        summary: None unless it is aggregated and readable.
    """

    experiment_id: str
    config_name: str | None
    status: ExperimentStatus | Trouble
    reason: str | None
    next: str | None
    created_at: datetime | None
    cycles_done: int | None
    planned_cycles: int | None
    results_dir: Path
    pid: int | None = None
    waits: bool = False
    is_lost: bool = False
    summary: ResultSummary | None = None

    @property
    def is_finished(self) -> bool:
        """Whether its result can be read."""
        return self.status is ExperimentStatus.AGGREGATED

    @property
    def is_unfinished(self) -> bool:
        """Whether it runs, or ended before all was measured."""
        return self.status in ACTIVE | UNFINISHED


def state_of(experiment_id: str, states: StateManager) -> ExperimentState | None:
    """Its state; None if it has none."""
    try:
        return states.load(experiment_id)
    except UnknownExperimentError:
        return None


def make_entry(
    experiment_id: str, states: StateManager, here: Path, *, here_first: bool = False
) -> ExperimentEntry:
    """What is known of an experiment; whatever cannot be read is said in its reason.

    Arguments are those of ``locate``.
    """
    fault: LLEnergyMeasureError | None = None
    state: ExperimentState | None = None
    try:
        state = state_of(experiment_id, states)
    except LLEnergyMeasureError as error:
        fault = error
    results_dir = locate(experiment_id, state, states, here, here_first=here_first)
    if state is not None and state.status in ACTIVE | UNFINISHED:
        return _unfinished(state, results_dir)
    return _finished(experiment_id, state, fault, results_dir)


def _unfinished(state: ExperimentState, results_dir: Path) -> ExperimentEntry:
    raw = look_at_raw(state.experiment_id, results_dir, state.planned_cycles)
    status: ExperimentStatus | Trouble = state.status
    reason, following = state.reason, None
    if status in UNFINISHED:
        following = f"lem experiment --resume {state.experiment_id}"
        if raw.are_gone and state.context_file is None:
            following = "start it anew with its config file"  # it never came so far
        elif raw.are_gone:
            status, following = Trouble.GONE, _REMOVE
            before = f" ({state.status} before: {reason})" if reason else ""
            reason = f"{raw.all_faults[0].message}{before}"
    return ExperimentEntry(
        experiment_id=state.experiment_id,
        config_name=state.config_name,
        status=status,
        reason=reason,
        next=following,
        created_at=state.created_at,
        cycles_done=len(raw.done),
        planned_cycles=state.planned_cycles,
        results_dir=results_dir,
        is_lost=status in UNFINISHED | {Trouble.GONE} and raw.are_gone,
        pid=state.owner.pid if state.owner and status is ExperimentStatus.RUNNING else None,
    )


def _finished(
    experiment_id: str,
    state: ExperimentState | None,
    fault: LLEnergyMeasureError | None,
    results_dir: Path,
) -> ExperimentEntry:
    """What was measured to its end, or has no readable state: its files tell how it stands."""
    result = look_at_aggregate(experiment_id, results_dir)
    if isinstance(result, AggregatedResult):
        return ExperimentEntry(
            experiment_id=experiment_id,
            config_name=result.config_name,
            status=ExperimentStatus.AGGREGATED,
            reason=fault.message if fault else None,
            next=f"lem results show {experiment_id}",
            created_at=result.created_at,
            cycles_done=result.cycles.n,
            planned_cycles=state.planned_cycles if state else result.cycles.n,
            results_dir=results_dir,
            summary=_summary(result),
        )
    raw = look_at_raw(experiment_id, results_dir, state.planned_cycles if state else None)
    lost = state is not None and state.status is ExperimentStatus.AGGREGATED
    status, faults = _judge(raw, result, was_aggregated=lost)
    if fault is not None:
        # Whether it is running is what cannot be read.
        status, faults = (status if raw.are_whole else Trouble.UNREADABLE), [fault, *faults]
    # A later version's state may know of results elsewhere.
    is_lost = raw.are_gone and isinstance(result, GoneError)
    is_lost = is_lost and (fault is None or isinstance(fault, DamagedFileError))
    hint = _REMOVE if is_lost else faults[0].hint if faults else None
    waits = raw.are_whole and may_be_made_anew(result)
    return ExperimentEntry(
        experiment_id=experiment_id,
        config_name=state.config_name if state else _config_name(raw),
        status=status,
        reason="; ".join(f.message for f in faults) or None,
        next=f"lem aggregate {experiment_id}" if waits else hint,
        created_at=state.created_at if state else None,
        cycles_done=len(raw.done),
        planned_cycles=state.planned_cycles if state else raw.planned,
        results_dir=results_dir,
        waits=waits,
        is_lost=is_lost,
    )


def _judge(
    raw: RawFiles, missing: LLEnergyMeasureError, *, was_aggregated: bool
) -> tuple[ExperimentStatus | Trouble, list[LLEnergyMeasureError]]:
    """How it stands without a readable aggregate, and what is to be told of it."""
    gone = isinstance(missing, GoneError)
    if raw.are_whole:
        told = [missing] if was_aggregated or not gone else []
        return (ExperimentStatus.COMPLETED if gone else Trouble.UNREADABLE), told
    if not gone:
        return Trouble.UNREADABLE, [missing, *raw.all_faults]
    if raw.are_gone:
        return Trouble.GONE, raw.all_faults
    return Trouble.INCOMPLETE, raw.all_faults


def _config_name(raw: RawFiles) -> str | None:
    return raw.results[0].config_name if raw.results else None


def _summary(result: AggregatedResult) -> ResultSummary:
    inference, energy = result.metrics.inference, result.metrics.energy
    j_per_cycle = ratio(energy.total_j, result.cycles.n)
    return ResultSummary(
        model=result.model.name,
        backend=result.backend.name,
        cycles=result.cycles.n,
        output_tokens=inference.output_tokens,
        output_tokens_per_s=inference.output_tokens_per_s,
        total_j=energy.total_j,
        total_uncertainty_j=energy.uncertainty_j,
        j_per_cycle=j_per_cycle,
        j_per_cycle_uncertainty=energy.half_width_of(j_per_cycle),
        j_per_output_token=energy.j_per_output_token,
        j_per_output_token_uncertainty=energy.half_width_of(energy.j_per_output_token),
        energy_origin=energy.origin,
        validity=result.validity.status,
    )
