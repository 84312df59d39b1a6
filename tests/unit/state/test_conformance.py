"""What the store of states promises."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.exceptions import (
    ConfigurationError,
    InvalidStateTransitionError,
    UnknownExperimentError,
)
from llenergymeasure.state.experiment_state import EXPERIMENT_VALID_TRANSITIONS, ExperimentState
from llenergymeasure.state.identity import ProcessIdentity, current_identity, identity_of
from llenergymeasure.state.manager import StateManager

S = ExperimentStatus
Create = Callable[..., ExperimentState]
PATHS = {
    S.INITIALISED: [],
    S.RUNNING: [S.RUNNING],
    S.COMPLETED: [S.RUNNING, S.COMPLETED],
    S.AGGREGATED: [S.RUNNING, S.COMPLETED, S.AGGREGATED],
    S.FAILED: [S.RUNNING, S.FAILED],
    S.INTERRUPTED: [S.RUNNING, S.INTERRUPTED],
}
# Written out a second time on purpose: the table in the code must not change by accident.
ALLOWED = {
    (S.INITIALISED, S.RUNNING),
    (S.INITIALISED, S.FAILED),
    (S.INITIALISED, S.INTERRUPTED),
    (S.RUNNING, S.COMPLETED),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.INTERRUPTED),
    (S.COMPLETED, S.AGGREGATED),
    (S.COMPLETED, S.FAILED),
    (S.AGGREGATED, S.FAILED),
    (S.FAILED, S.RUNNING),
    (S.INTERRUPTED, S.RUNNING),
}


@pytest.fixture
def dead() -> ProcessIdentity:
    """A process that was here and is not any more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return current_identity().model_copy(update={"pid": process.pid})


@pytest.fixture
def elsewhere() -> ProcessIdentity:
    return current_identity().model_copy(update={"hostname": socket.gethostname() + "-other"})


def bring(store: StateManager, experiment_id: str, status: ExperimentStatus) -> ExperimentState:
    for step in PATHS[status]:
        store.transition(experiment_id, step)
    return store.load(experiment_id)


def test_a_new_experiment_belongs_to_this_process(
    store: StateManager, create: Create, tmp_path: Path
) -> None:
    state = create("abc")
    assert state == store.load(state.experiment_id)
    assert state.status is S.INITIALISED
    assert (state.config_name, state.config_hash, state.planned_cycles) == ("test", "abc", 2)
    assert state.results_dir == str(tmp_path / "results")
    assert state.owner == current_identity()
    assert [step.to for step in state.history] == [S.INITIALISED]


def test_ids_are_listed_in_the_order_of_creation(store: StateManager, create: Create) -> None:
    created = [create().experiment_id for _ in range(20)]
    assert store.ids() == created
    assert [state.experiment_id for state in store.states()] == created


def test_an_id_that_has_results_is_not_minted(
    store: StateManager, create: Create, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [f"20300101-000000-00000{n}-aaaa" for n in range(3)]
    (tmp_path / "results" / "raw" / taken[0]).mkdir(parents=True)
    (tmp_path / "results" / "aggregated").mkdir()
    (tmp_path / "results" / "aggregated" / f"{taken[1]}.json").touch()
    given = iter([taken[0], taken[1], taken[2], taken[2], "20300101-000000-000009-aaaa"])
    monkeypatch.setattr("llenergymeasure.state.manager.mint", lambda now: next(given))
    assert create().experiment_id == taken[2]
    assert create().experiment_id == "20300101-000000-000009-aaaa"


@pytest.mark.parametrize(("before", "after"), list(product(S, S)))
def test_only_the_written_steps_are_taken(
    store: StateManager, create: Create, before: ExperimentStatus, after: ExperimentStatus
) -> None:
    experiment_id = create().experiment_id
    state = bring(store, experiment_id, before)
    if (before, after) in ALLOWED:
        moved = store.transition(experiment_id, after)
        assert store.load(experiment_id) == moved
        assert moved.history[:-1] == state.history
        assert moved.history[-1].to is moved.status is after
    else:
        with pytest.raises(InvalidStateTransitionError, match=f"is {before}, .* become {after}"):
            store.transition(experiment_id, after)
        assert store.load(experiment_id) == state


def test_the_table_covers_every_status() -> None:
    table = {(a, b) for a, targets in EXPERIMENT_VALID_TRANSITIONS.items() for b in targets}
    assert table == ALLOWED
    assert set(EXPERIMENT_VALID_TRANSITIONS) == set(S)


def test_an_unknown_field_is_no_part_of_a_step(store: StateManager, create: Create) -> None:
    with pytest.raises(TypeError):
        store.transition(create().experiment_id, S.RUNNING, resaon="typo")


def test_a_reason_lasts_until_the_next_step(store: StateManager, create: Create) -> None:
    experiment_id = create().experiment_id
    failed = store.transition(experiment_id, S.FAILED, reason="no memory", exit_code=1)
    assert (failed.reason, failed.exit_code) == ("no memory", 1)
    assert failed.owner is None
    running = store.mark_running(experiment_id, child_pid=None, context_file="c.json")
    assert (running.reason, running.exit_code, running.context_file) == (None, None, "c.json")
    assert [step.reason for step in running.history] == [None, "no memory", None]
    done = store.transition(experiment_id, S.COMPLETED)
    assert (done.owner, done.child, done.context_file) == (None, None, "c.json")


def test_a_running_one_knows_both_processes(store: StateManager, create: Create) -> None:
    experiment_id = create().experiment_id
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        state = store.mark_running(experiment_id, child_pid=child.pid, context_file="c.json")
        assert state.child is not None
        assert (state.child.pid, state.child.alive()) == (child.pid, True)
        assert state.owner == current_identity()
        assert state.is_alive()


@pytest.mark.parametrize("experiment_id", ["20300101-000000-000000-aaaa", "x"])
def test_an_experiment_that_is_not_there_is_told(store: StateManager, experiment_id: str) -> None:
    for act in (
        lambda: store.load(experiment_id),
        lambda: store.claim(experiment_id),
        lambda: store.transition(experiment_id, S.RUNNING),
    ):
        with pytest.raises(UnknownExperimentError, match="no experiment") as caught:
            act()
        assert "lem results list" in (caught.value.hint or "")


@pytest.mark.parametrize("experiment_id", ["../x", "", "a/b", "."])
def test_an_id_that_leads_elsewhere_is_refused(store: StateManager, experiment_id: str) -> None:
    with pytest.raises(ConfigurationError):
        store.load(experiment_id)
    with pytest.raises(ConfigurationError):
        store.transition(experiment_id, S.RUNNING)


@pytest.mark.parametrize("status", [S.INITIALISED, S.RUNNING])
@pytest.mark.parametrize("with_child", [False, True])
def test_a_dead_one_is_found_and_marked(
    store: StateManager,
    create: Create,
    dead: ProcessIdentity,
    status: ExperimentStatus,
    with_child: bool,
) -> None:
    state = bring(store, create().experiment_id, status)
    child = dead if with_child else None
    store._save(state.model_copy(update={"owner": dead, "child": child}))
    alive = create().experiment_id
    assert store.sweep_stale() == [state.experiment_id]
    swept = store.load(state.experiment_id)
    assert swept.status is S.INTERRUPTED
    assert swept.reason == f"process {dead.pid} died"
    assert store.load(alive).status is S.INITIALISED
    assert store.sweep_stale() == []


def test_one_whose_child_lives_is_left_alone(
    store: StateManager, create: Create, dead: ProcessIdentity
) -> None:
    state = bring(store, create().experiment_id, S.RUNNING)
    store._save(state.model_copy(update={"owner": dead, "child": current_identity()}))
    assert store.sweep_stale() == []


@pytest.mark.parametrize("status", [S.INITIALISED, S.RUNNING])
def test_one_on_another_host_is_left_alone(
    store: StateManager, create: Create, elsewhere: ProcessIdentity, status: ExperimentStatus
) -> None:
    state = bring(store, create().experiment_id, status)
    store._save(state.model_copy(update={"owner": elsewhere}))
    assert store.sweep_stale() == []
    with pytest.raises(ConfigurationError, match=r"still running .* on .*-other"):
        store.claim(state.experiment_id)


@pytest.mark.parametrize("status", [S.COMPLETED, S.AGGREGATED, S.FAILED, S.INTERRUPTED])
def test_what_has_ended_stays_as_it_is(
    store: StateManager, create: Create, dead: ProcessIdentity, status: ExperimentStatus
) -> None:
    state = bring(store, create().experiment_id, status).model_copy(update={"owner": dead})
    store._save(state)
    assert store.sweep_stale() == []
    assert store.load(state.experiment_id) == state


def test_a_sweep_looks_again_before_it_writes(
    store: StateManager, create: Create, dead: ProcessIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = bring(store, create().experiment_id, S.RUNNING)
    store._save(state.model_copy(update={"owner": dead}))
    seen = store.states()
    store.claim(state.experiment_id)
    now = store.mark_running(state.experiment_id, child_pid=None, context_file="c")
    monkeypatch.setattr(store, "states", lambda: seen)
    store.sweep_stale()
    assert store.load(state.experiment_id) == now


@pytest.mark.parametrize("status", [S.FAILED, S.INTERRUPTED])
def test_an_unfinished_one_is_claimed_once(
    store: StateManager, create: Create, status: ExperimentStatus
) -> None:
    state = bring(store, create().experiment_id, status)
    assert store.claim(state.experiment_id).owner == current_identity()
    assert store.claim(state.experiment_id).status is status
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        store._save(state.model_copy(update={"owner": identity_of(other.pid)}))
        with pytest.raises(ConfigurationError, match=rf"being resumed \(PID {other.pid}\)"):
            store.claim(state.experiment_id)


def test_a_claim_of_a_dead_process_is_free_again(
    store: StateManager, create: Create, dead: ProcessIdentity
) -> None:
    state = bring(store, create().experiment_id, S.INTERRUPTED)
    store._save(state.model_copy(update={"owner": dead}))
    assert store.claim(state.experiment_id).owner == current_identity()


def test_a_dead_running_one_can_be_claimed_at_once(
    store: StateManager, create: Create, dead: ProcessIdentity
) -> None:
    state = bring(store, create().experiment_id, S.RUNNING)
    store._save(state.model_copy(update={"owner": dead}))
    claimed = store.claim(state.experiment_id)
    assert claimed.status is S.INTERRUPTED
    assert "died" in (claimed.reason or "")


@pytest.mark.parametrize("status", [S.INITIALISED, S.RUNNING])
def test_a_living_one_is_not_claimed(
    store: StateManager, create: Create, status: ExperimentStatus
) -> None:
    state = bring(store, create().experiment_id, status)
    with pytest.raises(ConfigurationError, match="still running") as caught:
        store.claim(state.experiment_id)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("status", [S.COMPLETED, S.AGGREGATED])
def test_a_finished_one_is_not_claimed(
    store: StateManager, create: Create, status: ExperimentStatus
) -> None:
    state = bring(store, create().experiment_id, status)
    with pytest.raises(ConfigurationError, match=f"is {status}, it cannot be resumed"):
        store.claim(state.experiment_id)


def test_unfinished_ones_of_a_config_are_found(store: StateManager, create: Create) -> None:
    wanted = [bring(store, create("a").experiment_id, s) for s in (S.FAILED, S.INTERRUPTED)]
    for status in (S.INITIALISED, S.RUNNING, S.COMPLETED, S.AGGREGATED):
        bring(store, create("a").experiment_id, status)
    bring(store, create("b").experiment_id, S.FAILED)
    assert store.find_unfinished("a") == wanted


def test_nothing_is_found_where_nothing_is(store: StateManager) -> None:
    assert store.ids() == []
    assert store.sweep_stale() == []
