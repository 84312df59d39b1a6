"""The states of all experiments, the only truth for what runs: which step follows which."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import (
    ConfigurationError,
    LLEnergyMeasureError,
)
from llenergymeasure.state.experiment_state import ACTIVE, UNFINISHED, ExperimentState, Step
from llenergymeasure.state.identity import current_identity, identity_of
from llenergymeasure.state.ids import mint
from llenergymeasure.state.records import StateFiles

logger = logging.getLogger(__name__)

LATEST: Final = "latest"


class StateManager(StateFiles):
    """The steps that an experiment may take, and who may take them."""

    def create(
        self, *, config_name: str, config_hash: str, planned_cycles: int, results_dir: Path
    ) -> ExperimentState:
        """A new experiment, with an id that sorts by time and was never used before.

        Raises:
            StorageError: The state cannot be written.
        """
        while True:
            now = datetime.now(UTC)
            state = ExperimentState(
                experiment_id=mint(now),
                config_name=config_name,
                config_hash=config_hash,
                status=ExperimentStatus.INITIALISED,
                planned_cycles=planned_cycles,
                results_dir=str(results_dir),
                results_from_here=self._from_here(results_dir),
                created_at=now,
                updated_at=now,
                owner=current_identity(),
                history=(Step(to=ExperimentStatus.INITIALISED, at=now),),
            )
            # An id whose state was deleted is not used again while its results are there.
            if not _has_results(results_dir, state.experiment_id) and self._create(state):
                return state

    def transition(
        self, experiment_id: str, to: ExperimentStatus, **fields: Any
    ) -> ExperimentState:
        """Take a step (see ``ExperimentState.moved``).

        Raises:
            InvalidStateTransitionError: The step is not allowed.
        """
        return self._change(experiment_id, lambda state: state.moved(to, **fields))

    def mark_running(
        self, experiment_id: str, *, child_pid: int | None, context_file: str
    ) -> ExperimentState:
        """Record that this process watches and ``child_pid`` measures."""
        child = None if child_pid is None else identity_of(child_pid)
        return self.transition(
            experiment_id,
            ExperimentStatus.RUNNING,
            owner=current_identity(),
            child=child,
            context_file=context_file,
        )

    def adopt(
        self,
        experiment_id: str,
        *,
        config_name: str,
        config_hash: str,
        planned_cycles: int,
        results_dir: Path,
        created_at: datetime,
    ) -> None:
        """Give an interrupted experiment that was copied here a state, unless it has one.

        Raises:
            StorageError: The state cannot be written.
        """
        now = datetime.now(UTC)
        reason = "it was copied here without its state"
        step = Step(to=ExperimentStatus.INTERRUPTED, at=now, reason=reason)
        self._create(
            ExperimentState(
                experiment_id=experiment_id,
                config_name=config_name,
                config_hash=config_hash,
                status=step.to,
                planned_cycles=planned_cycles,
                results_dir=str(results_dir),
                results_from_here=self._from_here(results_dir),
                created_at=created_at,
                updated_at=now,
                reason=reason,
                history=(step,),
            )
        )

    def claim(self, experiment_id: str, results_dir: Path | None = None) -> ExperimentState:
        """Take over an unfinished experiment; one whose processes died counts as interrupted.

        Args:
            experiment_id: A whole id.
            results_dir: Where its results lie now, if they were moved.

        Raises:
            ConfigurationError: It is running, or there is nothing left to do.
        """

        def take(state: ExperimentState) -> ExperimentState:
            if state.is_stale():
                state = state.after_death()
            me = current_identity()
            if state.status in ACTIVE:
                raise ConfigurationError(
                    f"experiment {experiment_id} is still running ({_who(state)})",
                    hint="wait for it, or stop that process first",
                )
            if state.status not in UNFINISHED:
                raise ConfigurationError(
                    f"experiment {experiment_id} is {state.status}, it cannot be resumed"
                )
            if state.owner and state.owner != me and state.owner.alive() is not False:
                raise ConfigurationError(
                    f"experiment {experiment_id} is being resumed ({_who(state)})",
                    hint="wait for it, or stop that process first",
                )
            moved = (
                {}
                if results_dir is None
                else {
                    "results_dir": str(results_dir),
                    "results_from_here": self._from_here(results_dir),
                }
            )
            now = datetime.now(UTC)
            return state.model_copy(update={"owner": me, "child": None, "updated_at": now, **moved})

        return self._change(experiment_id, take)

    def sweep_stale(self) -> list[str]:
        """Mark what says that it runs and does not; returns the ids that were marked."""
        marked = []
        for state in self.states():
            if not state.is_stale():
                continue
            try:
                # Looked at again under the lock: by now somebody may have resumed it.
                swept = self._change(
                    state.experiment_id, lambda now: now.after_death() if now.is_stale() else now
                )
            except LLEnergyMeasureError as error:
                # The folder may not be written, say: only told.
                logger.warning("cannot mark %s: %s", state.experiment_id, error)
            else:
                if swept.status is ExperimentStatus.INTERRUPTED:
                    marked.append(state.experiment_id)
        return marked

    def states(self) -> list[ExperimentState]:
        """All readable states, oldest first; unreadable ones are logged."""
        states = []
        for experiment_id in self.ids():
            try:
                states.append(self.load(experiment_id))
            except LLEnergyMeasureError as error:
                logger.warning("%s", error)
        return states

    def find_unfinished(self, config_hash: str) -> list[ExperimentState]:
        """Failed and interrupted experiments of one config, oldest first."""
        return [s for s in self.states() if s.config_hash == config_hash and s.status in UNFINISHED]

    def _change(
        self, experiment_id: str, step: Callable[[ExperimentState], ExperimentState]
    ) -> ExperimentState:
        with self._hold_lock(experiment_id):
            before = self.load(experiment_id)
            state = step(before)
            if state != before:
                self._save(state)
        return state


def _who(state: ExperimentState) -> str:
    if state.owner is None:
        return "process unknown"
    seen = "" if state.owner.alive() is not None else f" on {state.owner.hostname}"
    return f"PID {state.owner.pid}{seen}"


def _has_results(results_dir: Path, experiment_id: str) -> bool:
    aggregate = results_dir / "aggregated" / f"{experiment_id}.json"
    return (results_dir / "raw" / experiment_id).exists() or aggregate.exists()
