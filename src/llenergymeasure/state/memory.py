"""States that live as long as this process; for trying things out and for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from llenergymeasure.security import safe_id
from llenergymeasure.state.base import StateStore, unknown
from llenergymeasure.state.experiment_state import ExperimentState


class MemoryStateManager(StateStore):
    """Keeps the same rules as the files do, without files."""

    def __init__(self) -> None:
        self._states: dict[str, ExperimentState] = {}
        self._lock = threading.RLock()

    def ids(self) -> list[str]:
        """See ``StateStore``."""
        return sorted(self._states)

    def load(self, experiment_id: str) -> ExperimentState:
        """See ``StateStore``."""
        if safe_id(experiment_id) not in self._states:
            raise unknown(experiment_id)
        return self._states[experiment_id]

    def _save(self, state: ExperimentState) -> None:
        self._states[state.experiment_id] = state

    def _create(self, state: ExperimentState) -> bool:
        with self._lock:
            return self._states.setdefault(state.experiment_id, state) is state

    @contextmanager
    def _hold_lock(self, experiment_id: str) -> Iterator[None]:
        with self._lock:
            self.load(experiment_id)
            yield
