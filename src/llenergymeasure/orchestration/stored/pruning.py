"""Experiments that are nothing but a state: found, and forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from llenergymeasure.orchestration.stored.entry import ExperimentEntry, make_entry
from llenergymeasure.orchestration.stored.inventory import Places, list_experiments
from llenergymeasure.state.manager import StateManager


def find_lost(places: Places) -> list[ExperimentEntry]:
    """Experiments of which nothing but a state is there, oldest first."""
    return [e for e in list_experiments(places, include_unfinished=True) if e.is_lost]


def forget(ids: Sequence[str], places: Places) -> list[str]:
    """Remove the states of lost experiments; returns the ids of those that were.

    Raises:
        StorageError: A state cannot be removed.
    """
    states = StateManager(places.state_dir)
    removed = []
    for experiment_id in ids:
        # Looked at again: somebody may have answered late, and its files may be back.
        with states.hold(experiment_id):
            entry = make_entry(
                experiment_id, states, places.results_dir, here_first=places.only_here
            )
            if entry.is_lost:
                states.remove(experiment_id)
                removed.append(experiment_id)
    return removed
