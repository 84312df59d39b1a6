"""What lies on the disk of one experiment: the truth, whatever its state says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.exceptions import (
    DamagedFileError,
    LLEnergyMeasureError,
    StorageError,
    UnknownExperimentError,
)
from llenergymeasure.orchestration.context import last_context
from llenergymeasure.results.repository import FileSystemRepository, find_complete
from llenergymeasure.state.experiment_state import ExperimentState
from llenergymeasure.state.manager import StateManager

_COPY = "restore it from a copy"


@dataclass(frozen=True)
class RawFiles:
    """The raw results of one experiment.

    Attributes:
        planned: How many cycles there should be; None where nothing tells.
        done: The cycles of which every process has a whole result.
        faults: What is wrong with results, each with its file and what to do.
        context_fault: Why the saved context cannot be read, without which nothing is aggregated.
    """

    results: list[RawProcessResult] = field(default_factory=list)
    planned: int | None = None
    done: frozenset[int] = frozenset()
    faults: list[LLEnergyMeasureError] = field(default_factory=list)
    context_fault: LLEnergyMeasureError | None = None

    @property
    def all_faults(self) -> list[LLEnergyMeasureError]:
        """Everything that keeps the results from being aggregated."""
        return [*self.faults, *([self.context_fault] if self.context_fault else [])]

    @property
    def are_whole(self) -> bool:
        """Whether all planned cycles are there, and nothing that speaks against them."""
        planned = range(1, (self.planned or 0) + 1)
        return bool(planned) and not self.all_faults and self.done >= set(planned)

    @property
    def are_gone(self) -> bool:
        """Whether nothing of them is there."""
        return not self.results and all(isinstance(f, GoneError) for f in self.all_faults)


class GoneError(StorageError):
    """Something that was stored is not there any more."""


def locate(
    experiment_id: str,
    state: ExperimentState | None,
    states: StateManager,
    results_dir: Path,
    *,
    here_first: bool,
) -> Path:
    """The folder of results that holds an experiment; they may have been moved since its state.

    Args:
        experiment_id: A whole id.
        state: Its state.
        states: The states.
        results_dir: The folder that is looked at.
        here_first: Whether it is asked before the folder that the state names.
    """
    named = [] if state is None else states.places_of(state)
    for folder in [results_dir, *named] if here_first else [*named, results_dir]:
        if FileSystemRepository(folder).holds(experiment_id):
            return folder
    return named[0] if named else results_dir


def look_at_raw(experiment_id: str, results_dir: Path, planned: int | None) -> RawFiles:
    """The raw results as they are on the disk now. ``planned`` is asked of the context if None."""
    repository = FileSystemRepository(results_dir)
    try:
        folder = repository.raw_dir(experiment_id)
        if not folder.exists():
            gone = GoneError(f"{folder} is not there any more", hint=_COPY)
            return RawFiles(planned=planned, faults=[gone])
        results, damaged = repository.read_raw(experiment_id)
        done = frozenset(find_complete(results))
    except LLEnergyMeasureError as error:
        return RawFiles(planned=planned, faults=[error])
    faults: list[LLEnergyMeasureError] = [*damaged]
    context_fault = None
    try:
        planned = last_context(results_dir, experiment_id).planned_cycles
    except LLEnergyMeasureError as error:
        context_fault = error
    missing = sorted(set(range(1, (planned or 0) + 1)) - done)
    if missing and not damaged:
        words = ", ".join(map(str, missing))
        faults.append(
            StorageError(
                f"{folder} holds no whole result of cycle {words}",
                hint=f"measure it again with: lem experiment --resume {experiment_id}",
            )
        )
    return RawFiles(results, planned, done, faults, context_fault)


def look_at_aggregate(
    experiment_id: str, results_dir: Path
) -> AggregatedResult | LLEnergyMeasureError:
    """The aggregate, or why it cannot be given: ``GoneError`` if it is not there."""
    try:
        return FileSystemRepository(results_dir).load_aggregated(experiment_id)
    except UnknownExperimentError as error:
        return GoneError(f"the aggregate of {experiment_id} is not there", hint=error.hint)
    except LLEnergyMeasureError as error:
        return error


def may_be_made_anew(fault: LLEnergyMeasureError) -> bool:
    """Whether a new aggregate may take the place of one that has this fault.

    One that a newer version wrote, or that only another user may read, is nobody's loss yet.
    """
    return isinstance(fault, GoneError | DamagedFileError)
