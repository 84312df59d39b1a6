"""What only the files can do: be damaged, be newer, be fought over by processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from llenergymeasure.constants import STATE_SCHEMA_VERSION
from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import ConfigurationError, SchemaVersionError, StorageError
from llenergymeasure.state import records as records_module
from llenergymeasure.state.manager import StateManager

S = ExperimentStatus


@pytest.fixture
def manager(tmp_path: Path) -> StateManager:
    return StateManager(tmp_path / ".state")


def create(manager: StateManager, tmp_path: Path) -> str:
    state = manager.create(
        config_name="c", config_hash="h", planned_cycles=1, results_dir=tmp_path / "results"
    )
    return state.experiment_id


def file_of(tmp_path: Path, experiment_id: str) -> Path:
    return tmp_path / ".state" / f"{experiment_id}.json"


def test_a_state_is_one_file_with_a_version(manager: StateManager, tmp_path: Path) -> None:
    experiment_id = create(manager, tmp_path)
    data = json.loads(file_of(tmp_path, experiment_id).read_text())
    assert data["schema_version"] == STATE_SCHEMA_VERSION
    assert data["owner"]["pid"] == os.getpid()
    assert StateManager(tmp_path / ".state").load(experiment_id).status is S.INITIALISED


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"{}"])
def test_a_damaged_file_is_told_and_does_not_hide_the_others(
    manager: StateManager, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = create(manager, tmp_path), create(manager, tmp_path)
    file_of(tmp_path, bad).write_bytes(content)
    with pytest.raises(StorageError, match=bad):
        manager.load(bad)
    assert [state.experiment_id for state in manager.states()] == [good]
    assert bad in caplog.text
    assert manager.ids() == [bad, good]
    assert manager.sweep_stale() == []
    assert file_of(tmp_path, bad).read_bytes() == content


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "sleeping"), ("planned_cycles", None), ("surprise", 1), ("experiment_id", "other")],
)
def test_a_file_that_holds_something_else_is_refused(
    manager: StateManager, tmp_path: Path, field: str, value: object
) -> None:
    experiment_id = create(manager, tmp_path)
    path = file_of(tmp_path, experiment_id)
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(StorageError, match=field if field != "experiment_id" else "other"):
        manager.load(experiment_id)


@pytest.mark.parametrize(("version", "word"), [(STATE_SCHEMA_VERSION + 1, "newer"), (0, "no way")])
def test_another_version_is_refused_and_left_alone(
    manager: StateManager, tmp_path: Path, version: int, word: str
) -> None:
    experiment_id = create(manager, tmp_path)
    path = file_of(tmp_path, experiment_id)
    text = json.dumps({**json.loads(path.read_text()), "schema_version": version})
    path.write_text(text)
    with pytest.raises(SchemaVersionError, match=word):
        manager.transition(experiment_id, S.RUNNING)
    assert path.read_text() == text


def test_strange_files_are_nobodys_state(manager: StateManager, tmp_path: Path) -> None:
    experiment_id = create(manager, tmp_path)
    text = file_of(tmp_path, experiment_id).read_text()
    for name in ("zzz.json", f"{experiment_id}.json~", f".{experiment_id}.json.x.tmp", "a.json"):
        (tmp_path / ".state" / name).write_text(text)
    assert manager.ids() == [experiment_id]


def test_a_link_out_of_the_folder_is_refused(manager: StateManager, tmp_path: Path) -> None:
    experiment_id = create(manager, tmp_path)
    path = file_of(tmp_path, experiment_id)
    path.rename(tmp_path / "away.json")
    path.symlink_to(tmp_path / "away.json")
    with pytest.raises(ConfigurationError, match="leads out"):
        manager.load(experiment_id)


def test_a_lock_that_is_held_is_told_in_time(
    manager: StateManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id = create(manager, tmp_path)
    monkeypatch.setattr(records_module, "LOCK_TIMEOUT_S", 0.1)
    with (
        FileLock(tmp_path / ".state" / f".{experiment_id}.json.lock"),
        pytest.raises(StorageError, match="held by another process"),
    ):
        manager.transition(experiment_id, S.RUNNING)
    manager.transition(experiment_id, S.RUNNING)


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write") as caught:
        create(StateManager(tmp_path / "file" / ".state"), tmp_path)
    assert "LLM_ENERGY_STATE_DIR" in (caught.value.hint or "")


RACE = """
import sys
from pathlib import Path
from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.state.manager import StateManager

manager = StateManager(Path(sys.argv[1]))
input()
try:
    manager.claim(sys.argv[2])
    manager.mark_running(sys.argv[2], child_pid=None, context_file="c")
    print("won", flush=True)
except LLEnergyMeasureError:
    print("lost", flush=True)
input()
"""


def test_of_two_that_resume_at_once_one_wins(manager: StateManager, tmp_path: Path) -> None:
    experiment_id = create(manager, tmp_path)
    manager.transition(experiment_id, S.FAILED)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path / ".state"), experiment_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = [racer.stdout.readline().strip() for racer in racers if racer.stdout]
    assert sorted(said) == ["lost", "lost", "won"]
    assert manager.load(experiment_id).owner.pid == racers[said.index("won")].pid
    for racer in racers:
        racer.communicate("\n", timeout=180)
    assert manager.sweep_stale() == [experiment_id]
