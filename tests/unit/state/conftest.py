from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llenergymeasure.state.base import StateStore
from llenergymeasure.state.experiment_state import ExperimentState
from llenergymeasure.state.manager import StateManager
from llenergymeasure.state.memory import MemoryStateManager

Create = Callable[..., ExperimentState]


@pytest.fixture(params=["files", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return StateManager(tmp_path / ".state") if request.param == "files" else MemoryStateManager()


@pytest.fixture
def create(store: StateStore, tmp_path: Path) -> Create:
    def new(config_hash: str = "0" * 16) -> ExperimentState:
        return store.create(
            config_name="test",
            config_hash=config_hash,
            planned_cycles=2,
            results_dir=tmp_path / "results",
        )

    return new
