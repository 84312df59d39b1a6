from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from llenergymeasure.constants import PARENT_PID_ENV
from llenergymeasure.core.processes import ownership
from llenergymeasure.core.processes.ownership import ProcessTree, find_common_root, sees_host_pids

LONG = "sleep 30"


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Ids of processes that are ended afterwards."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def shell(started: list[int], script: str, **options: bool) -> subprocess.Popen[str]:
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, **options)
    started.append(process.pid)
    return process


def told_pid(process: subprocess.Popen[str], started: list[int]) -> int:
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    started.append(pid)
    return pid


def close(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(timeout=120)
    assert process.stdout is not None
    process.stdout.close()


def no_env() -> dict[str, str]:
    return {}


def test_we_and_all_that_we_start_are_ours(started: list[int]) -> None:
    tree = ProcessTree(no_env())
    parent = shell(started, f"sh -c 'echo $$; {LONG}; true'; true")
    grandchild = told_pid(parent, started)
    assert tree.foreign([os.getpid(), parent.pid, grandchild]) == {}
    close(parent)


def test_others_are_foreign_with_their_name() -> None:
    first = psutil.Process(1)
    assert ProcessTree(no_env()).foreign([1, os.getpid()]) == {1: first.name()}
    assert list(ProcessTree(no_env()).foreign([os.getppid()])) == [os.getppid()]


def test_a_name_cannot_write_to_a_terminal(started: list[int], tmp_path: Path) -> None:
    program = tmp_path / "\x1b[2J\nroot"
    program.symlink_to("/bin/sleep")
    script = (
        "import subprocess\n"
        f"print(subprocess.Popen([{str(program)!r}, '30'], stdout=subprocess.DEVNULL).pid)\n"
    )
    leader = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
        start_new_session=True,
    )
    pid = int(leader.stdout)
    started.append(pid)
    assert ProcessTree(no_env()).foreign([pid]) == {pid: "?[2J?root"}


def test_one_without_a_parent_of_ours_is_known_by_the_leader_of_its_group(
    started: list[int],
) -> None:
    tree = ProcessTree(no_env())
    script = f"sh -c '{LONG} > /dev/null & echo $!'; {LONG}"
    leader = shell(started, script, start_new_session=True)
    orphan = told_pid(leader, started)
    # Until its shell has become it, it is called sh.
    wait_until(lambda: psutil.Process(orphan).name() == "sleep")
    wait_until(lambda: psutil.Process(orphan).ppid() != leader.pid)
    assert tree.foreign([orphan]) == {}
    close(leader)
    # A verdict stays: the leader that proved it has gone.
    assert tree.foreign([orphan]) == {}
    # Who looks only now cannot know: as the docs say of daemons.
    assert ProcessTree(no_env()).foreign([orphan]) == {orphan: "sleep"}


def test_one_that_ended_before_it_was_seen_is_left_out(started: list[int]) -> None:
    process = shell(started, "true")
    close(process)
    assert ProcessTree(no_env()).foreign([process.pid, 2**32 - 1, 0]) == {}


def test_what_follows_us_and_its_other_children_are_told_apart(
    started: list[int], tmp_path: Path
) -> None:
    """As under lem: it starts a launcher, which starts ranks; and something else on its own."""
    rank = tmp_path / "rank.py"
    rank.write_text(
        "import os, sys\n"
        "from llenergymeasure.core.processes.ownership import ProcessTree\n"
        "other, sibling = (int(pid) for pid in sys.argv[1:])\n"
        "lem = int(os.environ['LEM_PARENT_PID'])\n"
        "pids = [os.getpid(), os.getppid(), lem, sibling, other]\n"
        "print(sorted(set(ProcessTree().foreign(pids)) - {other}), "
        "other in ProcessTree().foreign(pids))\n"
    )
    launcher = f"{LONG} & {sys.executable} {rank} $OTHER $!; kill $!"
    lem = (
        f"{LONG} & export OTHER=$!; {PARENT_PID_ENV}=$$ sh -c '{launcher}' launcher & wait $!;"
        " kill $OTHER"
    )
    done = subprocess.run(
        ["sh", "-c", lem], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "[] True", done.stderr


def test_one_of_several_ranks_has_its_siblings(started: list[int]) -> None:
    sibling = shell(started, LONG)
    script = (
        "import sys\n"
        "from llenergymeasure.core.processes.ownership import ProcessTree\n"
        "print(sorted(ProcessTree().foreign([int(sys.argv[1])])))\n"
    )
    for ranks, foreign in (("2", "[]"), ("1", f"[{sibling.pid}]")):
        done = subprocess.run(
            [sys.executable, "-c", script, str(sibling.pid)],
            env={**os.environ, "LOCAL_WORLD_SIZE": ranks},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert done.stdout.strip() == foreign
    close(sibling)


@pytest.mark.parametrize(
    ("target", "expected"), [("pid:[4026531836]", True), ("pid:[4026532278]", False), (None, False)]
)
def test_a_container_with_ids_of_its_own_is_noticed(
    tmp_path: Path, target: str | None, expected: bool
) -> None:
    link = tmp_path / "pid"
    if target is not None:
        link.symlink_to(target)
    assert sees_host_pids(link) is expected


def wait_until(condition: object, seconds: float = 10.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_others_that_may_not_be_looked_at_are_foreign(
    started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc with hidepid=1: other users' processes are there, and tell nothing of themselves."""
    parent_of = psutil.Process.parent

    def parent(process: psutil.Process) -> psutil.Process | None:
        if process.pid == os.getppid():
            raise psutil.AccessDenied(process.pid)
        return parent_of(process)

    monkeypatch.setattr(psutil.Process, "parent", parent)
    tree = ProcessTree(no_env())
    child = shell(started, f"echo $$; {LONG}; true")
    assert tree.foreign([os.getpid(), told_pid(child, started)]) == {}
    assert list(tree.foreign([os.getppid()])) == [os.getppid()]
    close(child)


@pytest.mark.parametrize(
    ("env", "parent", "root"),
    [
        ({}, 11, 77),
        ({"RANK": "0", "WORLD_SIZE": "1"}, 11, 77),
        ({"RANK": "0", "WORLD_SIZE": "8"}, 11, 11),
        # The first process of a container cannot see its parent.
        ({"RANK": "0", "WORLD_SIZE": "8"}, 0, 77),
    ],
)
def test_the_tree_of_all_ranks(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], parent: int, root: int
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ownership.os, "getppid", lambda: parent)
    monkeypatch.setattr(ownership.os, "getpid", lambda: 77)
    assert find_common_root() == root
