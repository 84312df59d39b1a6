from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from llenergymeasure.state import identity
from llenergymeasure.state.identity import ProcessIdentity, current_identity, identity_of


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_this_process_is_alive() -> None:
    me = current_identity()
    assert me.pid == os.getpid()
    assert me.alive() is True
    assert me == current_identity()


def test_a_process_that_ended_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    other = identity_of(sleeper.pid)
    assert other is not None
    assert other.alive() is True
    sleeper.kill()
    sleeper.wait()
    assert other.alive() is False
    assert identity_of(sleeper.pid) is None


def test_a_zombie_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    other = identity_of(sleeper.pid)
    assert other is not None
    os.kill(sleeper.pid, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert other.alive() is False


def test_a_pid_that_was_given_to_another_process_is_dead() -> None:
    reused = current_identity().model_copy(
        update={"start_time_s": current_identity().start_time_s - 5.0}
    )
    assert reused.alive() is False


@pytest.mark.parametrize("field", ["hostname", "pid_namespace"])
def test_what_cannot_be_seen_from_here_is_unknown(field: str) -> None:
    assert current_identity().model_copy(update={field: "elsewhere"}).alive() is None


def test_nothing_outlives_a_boot() -> None:
    assert current_identity().model_copy(update={"boot_id": "another"}).alive() is False


def test_an_identity_without_a_boot_cannot_be_told_on_a_system_with_one() -> None:
    assert current_identity().model_copy(update={"boot_id": None}).alive() is None


def test_setting_the_clock_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    me = current_identity()
    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert me.alive() is True


def test_a_system_without_boot_ids_uses_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_boot_id", lambda: None)
    me = current_identity()
    assert me.boot_id is None
    assert abs(me.start_time_s - psutil.Process().create_time()) < 1.0
    assert me.alive() is True


def test_a_hidden_process_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    me = current_identity()

    def hidden(_pid: int) -> float:
        raise FileNotFoundError

    monkeypatch.setattr(identity, "_start_time_s", hidden)
    assert me.alive() is None


def test_an_identity_survives_storing() -> None:
    me = current_identity()
    assert ProcessIdentity.model_validate_json(me.model_dump_json()) == me
