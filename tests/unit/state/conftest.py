from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llenergymeasure.state.experiment_state import ExperimentState
from llenergymeasure.state.manager import StateManager

Create = Callable[..., ExperimentState]


@pytest.fixture
def store(tmp_path: Path) -> StateManager:
    return StateManager(tmp_path / ".state")


@pytest.fixture
def create(store: StateManager, tmp_path: Path) -> Create:
    def new(config_hash: str = "0" * 16) -> ExperimentState:
        return store.create(
            config_name="test",
            config_hash=config_hash,
            planned_cycles=2,
            results_dir=tmp_path / "results",
        )

    return new
