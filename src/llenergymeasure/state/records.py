"""The records of states: one small file for each experiment, written atomically, with a lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from llenergymeasure.constants import STATE_SCHEMA_VERSION
from llenergymeasure.durable import (
    DAMAGED_HINT,
    Migrations,
    create_text,
    describe_fault,
    read_json,
    write_text,
)
from llenergymeasure.exceptions import DamagedFileError, StorageError, UnknownExperimentError
from llenergymeasure.security import resolve_within, safe_id
from llenergymeasure.state.experiment_state import ExperimentState
from llenergymeasure.state.ids import is_minted

LOCK_TIMEOUT_S = 10.0
_WRITABLE: Final = "set LLM_ENERGY_STATE_DIR to a folder that you may write"

# version -> the function that turns a state of it into one of the next. Version 1 is the first.
_MIGRATIONS: Final[Migrations] = {}


class StateFiles:
    """States as JSON files in a folder, one an experiment, each written atomically."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir

    def ids(self) -> list[str]:
        """All ids, sorted, which is by time. Files with other names are nobody's state."""
        return sorted(path.stem for path in self._folder.glob("*.json") if is_minted(path.stem))

    def load(self, experiment_id: str) -> ExperimentState:
        """The state of one experiment.

        Raises:
            UnknownExperimentError: There is none of that id.
            StorageError: Its record cannot be read.
        """
        path = self._path(experiment_id)
        try:
            data = read_json(path, version=STATE_SCHEMA_VERSION, migrations=_MIGRATIONS)
            state = ExperimentState.model_validate(data)
        except FileNotFoundError as error:
            raise _unknown(experiment_id) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise DamagedFileError(
                f"{path} does not hold a state: {where}: {first['msg']}", hint=DAMAGED_HINT
            ) from error
        if state.experiment_id != experiment_id:
            raise StorageError(
                f"{path} holds the state of {state.experiment_id}", hint="move it away"
            )
        return state

    def places_of(self, state: ExperimentState) -> list[Path]:
        """Where the results of an experiment may lie: as it was told, and as seen from here."""
        told = Path(state.results_dir)
        if state.results_from_here is None:
            return [told]
        return [told, Path(os.path.normpath(self._folder / state.results_from_here))]

    def _from_here(self, results_dir: Path) -> str:
        """A folder of results as seen from the states, with which it may be moved."""
        return os.path.relpath(results_dir, self._folder)

    def _save(self, state: ExperimentState) -> None:
        """Store a record durably."""
        write_text(self._path(state.experiment_id), _text(state), _WRITABLE)

    def _create(self, state: ExperimentState) -> bool:
        """Store a new record durably; False if its id was ever taken."""
        try:
            create_text(self._path(state.experiment_id), _text(state))
        except FileExistsError:
            return False
        except StorageError as error:
            raise StorageError(error.message, hint=_WRITABLE) from error
        return True

    @contextmanager
    def hold(self, experiment_id: str) -> Iterator[None]:
        """Hold off other writers of one experiment (see ``remove``)."""
        with self._hold_lock(experiment_id):
            yield

    def remove(self, experiment_id: str) -> None:
        """Remove its record, which the caller must ``hold``.

        Raises:
            StorageError: It cannot be removed.
        """
        path = self._path(experiment_id)
        try:
            path.unlink()
            self._lock_path(path).unlink(missing_ok=True)
        except OSError as error:
            raise describe_fault(error, f"cannot remove {path}") from error

    def _lock_path(self, path: Path) -> Path:
        return path.with_name(f".{path.name}.lock")

    @contextmanager
    def _hold_lock(self, experiment_id: str) -> Iterator[None]:
        from filelock import FileLock, Timeout

        path = self._path(experiment_id)
        if not path.exists():
            raise _unknown(experiment_id)
        lock = FileLock(self._lock_path(path), timeout=LOCK_TIMEOUT_S)
        try:
            lock.acquire()
        except Timeout as error:
            raise StorageError(
                f"the state of {experiment_id} is held by another process for more than "
                f"{LOCK_TIMEOUT_S:.0f} s",
                hint="try again; if it stays so, look for a lem process that hangs",
            ) from error
        except OSError as error:
            raise StorageError(
                f"cannot lock {path}: {error.strerror or error}", hint=_WRITABLE
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _path(self, experiment_id: str) -> Path:
        return resolve_within(self._folder, f"{safe_id(experiment_id)}.json")


def _text(state: ExperimentState) -> str:
    return state.model_dump_json(indent=2)


def _unknown(experiment_id: str) -> UnknownExperimentError:
    """The error for an id that has no state."""
    return UnknownExperimentError(
        f"there is no experiment {experiment_id!r}",
        hint="list them with: lem results list --all",
    )
