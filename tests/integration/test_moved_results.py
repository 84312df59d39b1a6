"""Folders of results and states that are moved: what is in them is found, and can be finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ONE, call


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with an experiment of which the second of two cycles is missing."""
    folder = tmp_path_factory.mktemp("half")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LLM_ENERGY_STATE_DIR", ".state")
        patch.delenv("LLM_ENERGY_RESULTS_DIR", raising=False)
        _, out, _ = call("--json", "experiment", *ONE, "--cycles", "2", "--results-dir", "out/a")
    experiment_id = json.loads(out)["experiment_id"]
    results = folder / "out" / "a"
    (results / "aggregated" / f"{experiment_id}.json").unlink()
    shutil.rmtree(results / "raw" / experiment_id / "cycle_2")
    file = folder / ".state" / f"{experiment_id}.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "status": "interrupted"}))
    return folder, experiment_id


def move_all(_half: Path, here: Path) -> list[str]:
    """Results and states together: one is found from the other."""
    assert here.exists()
    return []


def move_results(_half: Path, here: Path) -> list[str]:
    (here / "out" / "a").rename(here / "elsewhere")
    return ["--results-dir", "elsewhere"]


def move_results_to_the_default(_half: Path, here: Path) -> list[str]:
    (here / "out" / "a").rename(here / "results")
    return []


def name_results_absolutely(_half: Path, here: Path) -> list[str]:
    (here / "out" / "a").rename(here / "elsewhere")
    return ["--results-dir", str(here / "elsewhere")]


def lose_states(_half: Path, here: Path) -> list[str]:
    shutil.rmtree(here / ".state")
    return ["--results-dir", "out/a"]


MOVES = [move_all, move_results, move_results_to_the_default, name_results_absolutely, lose_states]


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_what_was_moved_is_found_and_finished(
    half: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    move: Callable[[Path, Path], list[str]],
) -> None:
    folder, experiment_id = half
    gone, here = tmp_path / "gone", tmp_path / "here"
    shutil.copytree(folder, here)
    for file in (here / ".state").glob("*.json"):
        file.write_text(file.read_text().replace(str(folder), str(gone)))
    monkeypatch.chdir(here)
    monkeypatch.setenv("LLM_ENERGY_STATE_DIR", ".state")
    monkeypatch.delenv("LLM_ENERGY_RESULTS_DIR", raising=False)
    where = move(folder, here)
    _, out, _ = call("--json", *where, "results", "list", "--all")
    (entry,) = json.loads(out)
    assert entry["status"] == ("incomplete" if move is lose_states else "interrupted")
    assert (entry["cycles_done"], entry["planned_cycles"]) == (1, 2)
    assert entry["experiment_id"] in entry["next"] and "--resume" in entry["next"]
    code, out, err = call("--json", *where, "experiment", "--resume", "latest")
    assert code == 0, err
    assert json.loads(out)["cycles"]["n"] == 2
    # From now on it is known where it lies.
    (known,) = json.loads(call("--json", "results", "list")[1])
    assert (known["experiment_id"], known["status"]) == (experiment_id, "aggregated")
    assert not gone.exists()


def test_what_is_not_found_is_told_with_what_to_name(
    half: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, experiment_id = half
    here = tmp_path / "here"
    shutil.copytree(folder / ".state", here / ".state")
    file = here / ".state" / f"{experiment_id}.json"
    file.write_text(file.read_text().replace(str(folder), str(tmp_path / "gone")))
    monkeypatch.chdir(here)
    monkeypatch.setenv("LLM_ENERGY_STATE_DIR", ".state")
    for args in (("results", "show"), ("experiment", "--resume"), ("aggregate",)):
        code, _, err = call(*args, experiment_id)
        assert code == 1
        assert "not there any more" in err and "--results-dir" in err
