"""CPU time of process trees; real processes, whose own clocks tell the truth."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.estimate import cpu_time as estimate_tree
from llenergymeasure.core.energy_backends.estimate.cpu_time import TreeMeter

BURN = "import time\nwhile time.process_time() < {s}: pass\n"
# Each process may round by two ticks at each end.
WITHIN_S = 0.1


def burn(seconds: float, then: str = "") -> str:
    return BURN.format(s=seconds) + then


def run(code: str) -> None:
    subprocess.run([sys.executable, "-S", "-c", code], check=True, timeout=60)


def own_s() -> float:
    times = os.times()
    return times.user + times.system


@pytest.fixture(params=["by /proc", "by psutil"])
def meter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "by psutil":
        monkeypatch.setattr(estimate_tree, "_kernel_tells_children", lambda: False)
        monkeypatch.setattr(estimate_tree, "_PROC", False)
    before_s = own_s()
    made = TreeMeter(os.getpid())
    yield lambda: (made.used_s(search=True) or 0.0) - (own_s() - before_s)


def test_a_child_that_ended_is_counted(meter: Any) -> None:
    run(burn(0.3))
    assert meter() == pytest.approx(0.3, abs=WITHIN_S)


def test_a_child_that_runs_is_counted(meter: Any) -> None:
    code = burn(0.3, "print('done', flush=True); input()")
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    child.stdout.readline()
    running = meter()
    child.communicate("\n", timeout=30)
    assert running == pytest.approx(0.3, abs=WITHIN_S)
    # What it used does not count twice when it is waited for.
    assert meter() == pytest.approx(0.3, abs=WITHIN_S)


def test_a_grandchild_that_its_parent_waited_for(meter: Any) -> None:
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {burn(0.3)!r}])"
    run(inner)
    assert meter() == pytest.approx(0.3, abs=WITHIN_S)


def test_what_was_used_before_is_not_the_windows() -> None:
    run(burn(0.2))
    meter = TreeMeter(os.getpid())
    assert meter.used_s() == pytest.approx(0.0, abs=WITHIN_S)


def test_a_process_that_left_the_tree_is_followed(meter: Any) -> None:
    """Its parent ended, so that somebody else is its parent, and will get its time."""
    child = burn(0.4, "")
    start = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-S', '-c', {'input();' + chr(10) + child!r}],"
        " stdin=sys.stdin, stdout=subprocess.DEVNULL)\n"
        "print(p.pid, flush=True); time.sleep(0.5)"
    )
    read, write = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-S", "-c", start], stdin=read, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    orphan = psutil.Process(int(parent.stdout.readline()))
    meter()
    parent.communicate(timeout=30)
    meter()
    os.write(write, b"\n")
    used_s = 0.0
    while orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE:
        used_s = meter()
        time.sleep(0.01)
    for end in (read, write):
        os.close(end)
    assert used_s > 0.3
    assert meter() == pytest.approx(0.4, abs=2 * WITHIN_S)


def test_new_processes_are_looked_for_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []
    monkeypatch.setattr(estimate_tree, "_tree", lambda root: searches.append(root) or [root])
    meter = TreeMeter(os.getpid())
    for _ in range(5):
        meter.used_s()
    assert len(searches) == 1
    meter.used_s(search=True)
    assert len(searches) == 2


def test_a_child_between_two_searches_counts_when_it_was_waited_for() -> None:
    meter, before_s = TreeMeter(os.getpid()), own_s()
    run(burn(0.3))
    used_s = meter.used_s(search=False) or 0.0
    assert used_s - (own_s() - before_s) == pytest.approx(0.3, abs=WITHIN_S)


def test_a_name_may_hold_anything(tmp_path: Any) -> None:
    name = tmp_path / "a) b (c"
    name.symlink_to(sys.executable)
    child = subprocess.Popen([name, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    seen = estimate_tree._read_stat(child.pid)
    child.communicate(b"\n", timeout=30)
    assert seen is not None
    assert seen.parent == os.getpid()


def test_a_tree_that_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    meter = TreeMeter(child.pid)
    assert meter.used_s() is not None
    child.communicate(b"\n", timeout=30)
    assert meter.used_s() is None


def test_time_never_runs_backwards() -> None:
    meter, last_s = TreeMeter(os.getpid()), 0.0
    children = [subprocess.Popen([sys.executable, "-S", "-c", burn(0.02 * k)]) for k in range(1, 6)]
    while any(child.poll() is None for child in children):
        used_s = meter.used_s(search=True)
        assert used_s is not None
        assert used_s >= last_s - WITHIN_S
        last_s = used_s
    assert meter.most >= 2


class Simulated:
    """Processes as the kernel keeps them: who ends leaves its time to a parent that waits."""

    def __init__(self) -> None:
        self.living = {1: estimate_tree._Seen(0.0, 0, 0.0, 0.0)}
        self.born = 1
        self.truth_s = 0.0

    def spawn(self, parent: int) -> None:
        self.born += 1
        self.living[self.born] = estimate_tree._Seen(float(self.born), parent, 0.0, 0.0)

    def work(self, pid: int) -> None:
        process = self.living[pid]
        self.living[pid] = replace(process, own_s=process.own_s + 1)
        self.truth_s += 1

    def end(self, pid: int, *, waited_for: bool) -> None:
        ended = self.living.pop(pid)
        heir = self.living.get(ended.parent)
        if waited_for and heir is not None:
            left_s = heir.children_s + ended.total_s
            self.living[ended.parent] = replace(heir, children_s=left_s)
        for child, process in self.living.items():
            if process.parent == pid:
                self.living[child] = replace(process, parent=0)

    def tree(self, root: int) -> list[int]:
        children = [pid for pid, process in self.living.items() if process.parent == root]
        return [root, *(below for child in children for below in self.tree(child))]


@given(st.data())
def test_no_time_is_lost_or_doubled_whoever_ends(data: st.DataObject) -> None:
    """With a look before whatever nobody waits for, since nobody else tells its last value."""
    simulated = Simulated()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate_tree, "_tree", simulated.tree)
        patch.setattr(estimate_tree, "_read", simulated.living.get)
        patch.setattr(estimate_tree, "_now_s", lambda: 0.0)
        meter = TreeMeter(1)
        for _ in range(data.draw(st.integers(1, 25))):
            pid = data.draw(st.sampled_from(sorted(simulated.living)))
            what = data.draw(st.sampled_from(["spawn", "work", "work", "end", "end unseen"]))
            if what == "spawn":
                simulated.spawn(pid)
                meter.used_s(search=True)
            elif what == "work":
                simulated.work(pid)
            elif pid != 1:
                orphan = simulated.living[pid].parent == 0
                if orphan or what == "end":
                    meter.used_s()
                simulated.end(pid, waited_for=what == "end unseen")
            if data.draw(st.booleans()):
                assert meter.used_s() == simulated.truth_s
        assert meter.used_s() == simulated.truth_s


def test_what_an_orphan_starts_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = Simulated()
    monkeypatch.setattr(estimate_tree, "_tree", simulated.tree)
    monkeypatch.setattr(estimate_tree, "_read", simulated.living.get)
    monkeypatch.setattr(estimate_tree, "_now_s", lambda: 0.0)
    meter = TreeMeter(1)
    simulated.spawn(1)
    simulated.spawn(2)
    meter.used_s(search=True)
    simulated.end(2, waited_for=True)
    simulated.spawn(3)
    meter.used_s(search=True)
    simulated.work(4)
    assert meter.used_s() == 1.0
