from __future__ import annotations

import os
from pathlib import Path

import pytest

from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import ConfigurationError, UnknownExperimentError
from llenergymeasure.orchestration.stored.entry import Trouble
from llenergymeasure.orchestration.stored.inventory import (
    Places,
    aggregate_file,
    find_experiment,
    list_experiments,
    load_result,
)
from llenergymeasure.state.manager import StateManager

_S = ExperimentStatus


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "results", tmp_path / "state")


def create(places: Places, name: str = "a", results_dir: Path | None = None) -> str:
    state = StateManager(places.state_dir).create(
        config_name=name,
        config_hash="0" * 16,
        planned_cycles=2,
        results_dir=results_dir or places.results_dir,
    )
    folder = (results_dir or places.results_dir) / "raw" / state.experiment_id
    folder.mkdir(parents=True)
    return state.experiment_id


def move(places: Places, experiment_id: str, *steps: ExperimentStatus, reason: str = "") -> None:
    for step in steps:
        StateManager(places.state_dir).transition(experiment_id, step, reason=reason or None)


def test_nothing_is_there(places: Places) -> None:
    assert list_experiments(places, include_unfinished=True) == []
    with pytest.raises(UnknownExperimentError, match="no experiments"):
        find_experiment("latest", places)


def test_all_have_their_status_and_reason_oldest_first(places: Places) -> None:
    failed, completed, running = (create(places, name) for name in "abc")
    move(places, failed, _S.RUNNING, _S.FAILED, reason="the engine broke")
    move(places, completed, _S.RUNNING, _S.COMPLETED)
    move(places, running, _S.RUNNING)
    entries = list_experiments(places, include_unfinished=True)
    assert [e.experiment_id for e in entries] == [failed, completed, running]
    assert [e.status for e in entries] == [_S.FAILED, Trouble.INCOMPLETE, _S.RUNNING]
    assert entries[0].reason == "the engine broke"
    assert entries[2].pid == os.getpid()
    assert [e.cycles_done for e in entries] == [0, 0, 0]
    assert list_experiments(places) == []
    assert entries[0].next == f"lem experiment --resume {failed}"
    assert "cannot be resumed" in str(entries[1].reason)
    assert entries[2].next is None


def test_a_dead_process_is_found(places: Places) -> None:
    experiment_id = create(places)
    file = places.state_dir / f"{experiment_id}.json"
    file.write_text(file.read_text().replace(f'"pid": {os.getpid()}', '"pid": 999999999'))
    entry = find_experiment("latest", places)
    assert entry.status is _S.INTERRUPTED
    assert "died" in str(entry.reason)


def test_ids_may_be_shortened(places: Places) -> None:
    first, second = create(places), create(places)
    assert find_experiment(first, places).experiment_id == first
    assert find_experiment(second[:-1], places).experiment_id == second
    assert find_experiment("latest", places).experiment_id == second
    with pytest.raises(UnknownExperimentError, match="2 experiments begin"):
        find_experiment("2", places)
    with pytest.raises(UnknownExperimentError, match="there is no experiment ''"):
        find_experiment("", places)
    with pytest.raises(UnknownExperimentError, match="there is no experiment 'x'"):
        find_experiment("x", places)


def test_what_is_to_be_finished_is_the_latest_that_is_unfinished(places: Places) -> None:
    failed, other, done = create(places, "a"), create(places, "b"), create(places, "a")
    for experiment_id in (failed, other):
        move(places, experiment_id, _S.RUNNING, _S.FAILED, reason="the engine broke")
    move(places, done, _S.RUNNING, _S.COMPLETED)
    assert find_experiment("latest", places).experiment_id == done
    assert find_experiment("a", places).experiment_id == done
    assert find_experiment("latest", places, unfinished=True).experiment_id == other
    assert find_experiment("a", places, unfinished=True).experiment_id == failed
    assert find_experiment(done, places, unfinished=True).experiment_id == done
    with pytest.raises(UnknownExperimentError, match="there is no experiment 'x'"):
        find_experiment("x", places, unfinished=True)


def test_of_none_that_is_unfinished_the_latest_is_found(places: Places) -> None:
    done = create(places)
    move(places, done, _S.RUNNING, _S.COMPLETED)
    for text in ("latest", "a"):
        assert find_experiment(text, places, unfinished=True).experiment_id == done


def test_only_here_leaves_out_other_folders(places: Places, tmp_path: Path) -> None:
    here = create(places)
    there = create(places, results_dir=tmp_path / "other")
    only = Places(places.results_dir, places.state_dir, only_here=True)
    assert [e.experiment_id for e in list_experiments(only, include_unfinished=True)] == [here]
    assert len(list_experiments(places, include_unfinished=True)) == 2
    with pytest.raises(UnknownExperimentError):
        find_experiment(there, only)


def test_an_unfinished_experiment_has_no_result_but_a_hint(places: Places) -> None:
    experiment_id = create(places)
    move(places, experiment_id, _S.RUNNING, _S.FAILED, reason="the engine broke")
    with pytest.raises(ConfigurationError, match="the engine broke") as raised:
        load_result("latest", places)
    assert raised.value.hint == f"lem experiment --resume {experiment_id}"


def test_a_damaged_file_is_an_entry_with_a_reason_and_hides_no_other(places: Places) -> None:
    fine, torn = create(places), create(places)
    (places.state_dir / f"{torn}.json").write_text("{")
    file = aggregate_file(places.results_dir, "20210101-torn")
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    entries = {e.experiment_id: e for e in list_experiments(places, include_unfinished=True)}
    assert set(entries) == {fine, torn, "20210101-torn"}
    assert entries[fine].status is _S.INITIALISED
    assert entries[torn].status is Trouble.UNREADABLE
    assert torn in str(entries[torn].reason)
    assert entries["20210101-torn"].status is Trouble.UNREADABLE
    assert entries["20210101-torn"].reason


def test_an_id_that_was_only_reserved_is_listed(places: Places) -> None:
    experiment_id = create(places)
    (places.state_dir / f"{experiment_id}.json").write_text("")
    (entry,) = list_experiments(places, include_unfinished=True)
    assert entry.status is Trouble.UNREADABLE
    assert entry.reason
