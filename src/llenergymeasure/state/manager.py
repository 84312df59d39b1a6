"""The states of all experiments: one small file each, and the only truth for what runs."""

from __future__ import annotations

import json
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llenergymeasure.constants import STATE_SCHEMA_VERSION
from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.durable import write_text
from llenergymeasure.exceptions import (
    ConfigurationError,
    LLEnergyMeasureError,
    SchemaVersionError,
    StorageError,
    UnknownExperimentError,
)
from llenergymeasure.security import is_safe_id, safe_id
from llenergymeasure.state.experiment_state import ACTIVE, UNFINISHED, ExperimentState, Step
from llenergymeasure.state.identity import current_identity, identity_of

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 10.0
LATEST = "latest"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class StateStore(ABC):
    """The rules; where the records lie is a subclass's business."""

    @abstractmethod
    def ids(self) -> list[str]:
        """All ids, sorted, which is by time."""

    @abstractmethod
    def load(self, experiment_id: str) -> ExperimentState:
        """The state of one experiment.

        Raises:
            UnknownExperimentError: There is none of that id.
            StorageError: Its record cannot be read.
        """

    @abstractmethod
    def _save(self, state: ExperimentState) -> None:
        """Store a record durably."""

    @abstractmethod
    def _reserve(self, experiment_id: str) -> bool:
        """Take an id for good; False if it was taken before."""

    @abstractmethod
    def _locked(self, experiment_id: str) -> AbstractContextManager[object]:
        """Hold off other writers of this experiment."""

    def create(
        self, *, config_name: str, config_hash: str, planned_cycles: int, results_dir: Path
    ) -> ExperimentState:
        """A new experiment, with an id that sorts by time and was never used before."""
        now = datetime.now(UTC)
        experiment_id = self._new_id(now, results_dir)
        state = ExperimentState(
            experiment_id=experiment_id,
            config_name=config_name,
            config_hash=config_hash,
            status=ExperimentStatus.INITIALISED,
            planned_cycles=planned_cycles,
            results_dir=str(results_dir),
            created_at=now,
            updated_at=now,
            owner=current_identity(),
            history=(Step(to=ExperimentStatus.INITIALISED, at=now),),
        )
        self._save(state)
        return state

    def _new_id(self, now: datetime, results_dir: Path) -> str:
        while True:
            suffix = "".join(secrets.choice(_ALPHABET) for _ in range(4))
            candidate = f"{now:%Y%m%d-%H%M%S-%f}-{suffix}"
            # An id whose state was deleted is still not used again while its results are there.
            if not (results_dir / "raw" / candidate).exists() and self._reserve(candidate):
                return candidate
            now += timedelta(microseconds=1)

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

    def claim(self, experiment_id: str) -> ExperimentState:
        """Take over an unfinished experiment.

        Raises:
            ConfigurationError: It is running, or there is nothing left to do.
        """

        def take(state: ExperimentState) -> ExperimentState:
            if state.status in ACTIVE and state.is_alive():
                pid = state.owner.pid if state.owner else "unknown"
                raise ConfigurationError(
                    f"experiment {experiment_id} is still running (PID {pid})",
                    hint="wait for it, or stop that process first",
                )
            if state.status not in UNFINISHED:
                raise ConfigurationError(
                    f"experiment {experiment_id} is {state.status}, it cannot be resumed"
                )
            if state.owner and state.owner != current_identity() and state.owner.alive():
                raise ConfigurationError(
                    f"experiment {experiment_id} is being resumed by PID {state.owner.pid}",
                    hint="wait for it, or stop that process first",
                )
            return state.model_copy(update={"owner": current_identity(), "child": None})

        return self._change(experiment_id, take)

    def sweep_stale(self) -> list[str]:
        """Mark what says that it runs and does not; returns the ids that were marked."""
        marked = []
        for state in self.states():
            if state.status in ACTIVE and not state.is_alive():
                pid = state.owner.pid if state.owner else "unknown"
                reason = f"its process (PID {pid}) died without a word"
                try:
                    self.transition(
                        state.experiment_id, ExperimentStatus.INTERRUPTED, reason=reason
                    )
                except LLEnergyMeasureError as error:
                    # Somebody else was quicker, or the folder may not be written: only told.
                    logger.warning("cannot mark %s: %s", state.experiment_id, error)
                else:
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

    def resolve_id(self, text: str) -> str:
        """The id that a user means: a whole id, the beginning of just one, or ``latest``.

        Raises:
            UnknownExperimentError: None or several fit.
        """
        ids = self.ids()
        if text == LATEST and ids:
            return ids[-1]
        if text in ids:
            return text
        fitting = [experiment_id for experiment_id in ids if experiment_id.startswith(text)]
        if text and len(fitting) == 1:
            return fitting[0]
        if text and fitting:
            raise UnknownExperimentError(
                f"{len(fitting)} experiments begin with {text!r}",
                hint=f"they are: {', '.join(fitting[:5])}{' ...' if len(fitting) > 5 else ''}",
            )
        raise UnknownExperimentError(
            f"there is no experiment {text!r}" if ids else "there are no experiments here yet",
            hint="list them with: lem results list --all",
        )

    def _change(
        self, experiment_id: str, step: Callable[[ExperimentState], ExperimentState]
    ) -> ExperimentState:
        with self._locked(experiment_id):
            state = step(self.load(experiment_id))
            self._save(state)
        return state


class StateManager(StateStore):
    """States as JSON files in a folder, one an experiment, each written atomically."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir

    def ids(self) -> list[str]:
        """See ``StateStore``."""
        return sorted(path.stem for path in self._folder.glob("*.json") if is_safe_id(path.stem))

    def load(self, experiment_id: str) -> ExperimentState:
        """See ``StateStore``."""
        path = self._path(experiment_id)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            version = data.get("schema_version")
            if version != STATE_SCHEMA_VERSION:
                raise SchemaVersionError(
                    f"{path} has schema version {version}; this lem reads {STATE_SCHEMA_VERSION}",
                    hint="use the lem that wrote it",
                )
            return ExperimentState.model_validate(data)
        except FileNotFoundError as error:
            raise UnknownExperimentError(
                f"there is no experiment {experiment_id!r}",
                hint="list them with: lem results list --all",
            ) from error
        except (OSError, ValueError, AttributeError, ValidationError) as error:
            raise StorageError(f"cannot read the state file {path}: {error}") from error

    def _save(self, state: ExperimentState) -> None:
        write_text(self._path(state.experiment_id), state.model_dump_json(indent=2))

    def _reserve(self, experiment_id: str) -> bool:
        path = self._path(experiment_id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("x").close()
        except FileExistsError:
            return False
        except OSError as error:
            raise StorageError(
                f"cannot write {path}: {error.strerror or error}",
                hint="set LLM_ENERGY_STATE_DIR to a folder that you may write",
            ) from error
        return True

    @contextmanager
    def _locked(self, experiment_id: str) -> Iterator[None]:
        from filelock import FileLock, Timeout

        path = self._path(experiment_id)
        if not path.exists():
            raise UnknownExperimentError(f"there is no experiment {experiment_id!r}")
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_TIMEOUT_S)
        try:
            lock.acquire()
        except Timeout as error:
            raise StorageError(
                f"the state of {experiment_id} is held by another process for more than "
                f"{LOCK_TIMEOUT_S:.0f} s"
            ) from error
        except OSError as error:
            raise StorageError(
                f"cannot lock {path}: {error.strerror or error}",
                hint="set LLM_ENERGY_STATE_DIR to a folder that you may write",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _path(self, experiment_id: str) -> Path:
        return self._folder / f"{safe_id(experiment_id)}.json"


class MemoryStateManager(StateStore):
    """States that live as long as this process; for trying things out and for tests."""

    def __init__(self) -> None:
        self._states: dict[str, ExperimentState] = {}
        self._taken: set[str] = set()

    def ids(self) -> list[str]:
        """See ``StateStore``."""
        return sorted(self._states)

    def load(self, experiment_id: str) -> ExperimentState:
        """See ``StateStore``."""
        if safe_id(experiment_id) not in self._states:
            raise UnknownExperimentError(
                f"there is no experiment {experiment_id!r}",
                hint="list them with: lem results list --all",
            )
        return self._states[experiment_id]

    def _save(self, state: ExperimentState) -> None:
        self._states[state.experiment_id] = state

    def _reserve(self, experiment_id: str) -> bool:
        if experiment_id in self._taken:
            return False
        self._taken.add(experiment_id)
        return True

    def _locked(self, experiment_id: str) -> AbstractContextManager[object]:
        self.load(experiment_id)
        return nullcontext()
