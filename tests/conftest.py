"""Shared by all tests: no test touches the user's folders or a hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any engine is imported, here and in every child.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_ENERGY_RESULTS_DIR", str(tmp_path / "results"))
    monkeypatch.setenv("LLM_ENERGY_STATE_DIR", str(tmp_path / ".state"))
    yield
