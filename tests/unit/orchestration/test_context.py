from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llenergymeasure.config.loader import from_mapping
from llenergymeasure.core.prompts import load_prompts
from llenergymeasure.exceptions import SchemaVersionError, StorageError
from llenergymeasure.orchestration.context import (
    ExperimentContext,
    config_hash,
    last_context,
    load_context,
)

BASE = {"config_name": "a", "model_name": "m", "backend": "echo", "echo": {"fail_requests": [1]}}


def context(tmp_path: Path, attempt: int = 1) -> ExperimentContext:
    loaded = from_mapping(BASE)
    _, prompts = load_prompts(loaded.config.prompts, 2, base_dir=None)
    return ExperimentContext(
        experiment_id="x-1",
        attempt=attempt,
        config=loaded.config.model_dump(mode="json"),
        config_hash=config_hash(loaded.config),
        provenance=loaded.provenance,
        prompts=prompts,
        results_dir=str(tmp_path),
        cycles=(1, 2),
        planned_cycles=2,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        parent_pid=os.getpid(),
    )


def test_a_context_comes_back_as_it_was(tmp_path: Path) -> None:
    saved = context(tmp_path)
    assert load_context(saved.save()) == saved
    assert load_context(saved.path).experiment_config == from_mapping(BASE).config


def test_the_newest_attempt_counts(tmp_path: Path) -> None:
    for attempt in (1, 2, 10):
        context(tmp_path, attempt).save()
    assert last_context(tmp_path, "x-1").attempt == 10


def test_without_a_context_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="holds no saved context"):
        last_context(tmp_path, "x-1")


def test_another_version_is_refused_and_damage_is_told(tmp_path: Path) -> None:
    path = context(tmp_path).save()
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "schema_version": 99}))
    with pytest.raises(SchemaVersionError, match="version 99"):
        load_context(path)
    path.write_text("{")
    with pytest.raises(StorageError, match="cannot read"):
        load_context(path)


def test_the_hash_is_of_what_is_run() -> None:
    one = from_mapping(BASE).config
    elsewhere = from_mapping({**BASE, "io": {"results_dir": "x"}}).config
    other = from_mapping({**BASE, "seed": 1}).config
    assert config_hash(one) == config_hash(elsewhere)
    assert config_hash(one) != config_hash(other)
