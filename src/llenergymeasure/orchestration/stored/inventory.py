"""What experiments there are, from the states and the stored results together.

Results without a state (copied here, or their state was deleted) are listed too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.domain.experiment import AggregatedResult
from llenergymeasure.exceptions import (
    ConfigurationError,
    LLEnergyMeasureError,
    StorageError,
    UnknownExperimentError,
)
from llenergymeasure.orchestration.stored.entry import (
    ExperimentEntry,
    Trouble,
    make_entry,
    state_of,
)
from llenergymeasure.orchestration.stored.lookup import locate
from llenergymeasure.results.repository import FileSystemRepository
from llenergymeasure.state.experiment_state import UNFINISHED
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
    entries = [_make(experiment_id, states, places) for experiment_id in _ids(places, states)]
    here = [e for e in entries if not places.only_here or e.results_dir == places.results_dir]
    if include_unfinished:
        return here
    return [e for e in here if e.is_finished]


def find_experiment(
    text: str,
    places: Places,
    tell: Callable[[str], None] = lambda _: None,
    *,
    unfinished: bool = False,
) -> ExperimentEntry:
    """The experiment that a user means: an id, the beginning of just one, ``latest``, or a name.

    A config's name that several have means the latest of them; ``tell`` is told so.

    Args:
        text: What the user typed.
        places: Where to look.
        tell: Told which of several was taken.
        unfinished: ``latest`` and a name mean one that can be resumed, if there is one.

    Raises:
        UnknownExperimentError: None fits, or several ids begin so.
    """
    states = StateManager(places.state_dir)
    states.sweep_stale()
    known = _ids(places, states)
    if places.only_here:
        known = [i for i in known if _results_dir(i, places, states) == places.results_dir]
    found = _match_id(text, known, places)
    if found is not None and not (unfinished and text == LATEST):
        return _make(found, states, places)
    entries = [_make(experiment_id, states, places) for experiment_id in known]
    if unfinished:
        meant = [entry for entry in entries if text in (LATEST, entry.config_name)]
        entries = [entry for entry in meant if entry.status in UNFINISHED] or entries
    if text == LATEST:
        return entries[-1]
    return _match_name(text, entries, tell)


def load_result(text: str, places: Places) -> tuple[AggregatedResult, Path]:
    """The aggregate of an experiment (see ``find_experiment``) and its file.

    Raises:
        UnknownExperimentError: None or several fit.
        ConfigurationError: It is not aggregated; the hint says what to do.
        StorageError: Its files are damaged or gone.
    """
    entry = find_experiment(text, places)
    if not entry.is_finished:
        raise explain(entry)
    result = FileSystemRepository(entry.results_dir).load_aggregated(entry.experiment_id)
    return result, aggregate_file(entry.results_dir, entry.experiment_id)


def explain(entry: ExperimentEntry) -> LLEnergyMeasureError:
    """Why there is no result of an experiment, and what to do."""
    kind = StorageError if isinstance(entry.status, Trouble) else ConfigurationError
    why = f": {entry.reason}" if entry.reason else ""
    cycles = f" with {entry.cycles_done} of {entry.planned_cycles} cycles"
    stands = f"{entry.status}{cycles if entry.is_unfinished and entry.planned_cycles else ''}"
    return kind(f"experiment {entry.experiment_id} is {stands}{why}", hint=entry.next)


def _ids(places: Places, states: StateManager) -> list[str]:
    stored = FileSystemRepository(places.results_dir)
    return sorted({*states.ids(), *stored.aggregated_ids(), *stored.raw_ids()})


def _make(experiment_id: str, states: StateManager, places: Places) -> ExperimentEntry:
    return make_entry(experiment_id, states, places.results_dir, here_first=places.only_here)


def _match_id(text: str, known: list[str], places: Places) -> str | None:
    if not known:
        raise UnknownExperimentError(
            f"there are no experiments in {places.results_dir} yet",
            hint="measure one with: lem experiment CONFIG; if they lie elsewhere, name the folder "
            "of the results with --results-dir, and that of the states with LLM_ENERGY_STATE_DIR",
        )
    if text == LATEST:
        return known[-1]
    fitting = [i for i in known if i == text] or [i for i in known if text and i.startswith(text)]
    if len(fitting) > 1:
        raise UnknownExperimentError(
            f"{len(fitting)} experiments begin with {text!r}",
            hint=f"they are: {_name_some(fitting)}",
        )
    return fitting[0] if fitting else None


def _match_name(
    text: str, entries: list[ExperimentEntry], tell: Callable[[str], None]
) -> ExperimentEntry:
    called = [entry for entry in entries if text and entry.config_name == text]
    if not called:
        names = {entry.config_name for entry in entries if entry.config_name}
        valid = [*sorted(names), *(entry.experiment_id for entry in entries), LATEST]
        raise UnknownExperimentError(
            f"there is no experiment {text!r}{did_you_mean(text, valid)}",
            hint="list them with: lem results list --all",
        )
    *earlier, latest = called
    if earlier:
        ids = _name_some([entry.experiment_id for entry in reversed(earlier)])
        tell(
            f"{len(called)} experiments are called {text!r}; taken is the latest, "
            f"{latest.experiment_id}; the others are: {ids}"
        )
    return latest


def _name_some(ids: list[str]) -> str:
    return f"{', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}"


def _results_dir(experiment_id: str, places: Places, states: StateManager) -> Path:
    try:
        state = state_of(experiment_id, states)
    except LLEnergyMeasureError:
        state = None
    here = places.results_dir
    return locate(experiment_id, state, states, here, here_first=places.only_here)
