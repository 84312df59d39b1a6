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

from llenergymeasure.core.processes import cpu_time, proc
from llenergymeasure.core.processes.cpu_time import TreeMeter
from llenergymeasure.core.processes.proc import Process

BURN = "import time\nwhile time.process_time() < {s}: pass\n"
# Each process may round by two ticks at each end.
WITHIN_S = 0.1


def burn(seconds: float, then: str = "") -> str:
    return BURN.format(s=seconds) + then


def run(code: str) -> None:
    subprocess.run([sys.executable, "-S", "-c", code], check=True, timeout=120)


def own_s() -> float:
    times = os.times()
    return times.user + times.system


@pytest.fixture(params=["by /proc", "by psutil"])
def meter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "by psutil":
        monkeypatch.setattr(proc, "_kernel_tells_children", lambda: False)
        monkeypatch.setattr(proc, "_PROC", False)
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
    child.communicate("\n", timeout=120)
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
    parent.communicate(timeout=120)
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
    monkeypatch.setattr(cpu_time, "list_tree", lambda root: searches.append(root) or [root])
    monkeypatch.setattr(cpu_time, "_monotonic_s", lambda: 1000.0)
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
    seen = proc.read_process(child.pid)
    child.communicate(b"\n", timeout=120)
    assert seen is not None
    assert seen.parent == os.getpid()


def test_a_tree_that_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    meter = TreeMeter(child.pid)
    assert meter.used_s() is not None
    child.communicate(b"\n", timeout=120)
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


class Kernel:
    """Processes as Linux keeps them, on one CPU and a clock of its own.

    Who ends is a zombie, with its CPU time, until its parent waits for it, which adds its time to
    the parent's count; not so if the parent ignores SIGCHLD: then it vanishes. Orphans go to the
    root if it adopts them, else to init, which waits for its zombies at once.
    """

    def __init__(self, *, adopts: bool = False) -> None:
        self.there = {1: Process(0.0, 0, 0.0, 0.0)}
        self.deaf: set[int] = set()
        self.reaper = 1 if adopts else 0
        self.born = 1
        self.truth_s = 0.0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(cpu_time, "list_tree", self.tree)
        patch.setattr(cpu_time, "read_process", self.read)
        patch.setattr(cpu_time, "ignores_children", self.ignores_children)
        patch.setattr(cpu_time, "now_s", lambda: 0.0)
        patch.setattr(cpu_time, "_monotonic_s", lambda: self.truth_s)

    def read(self, pid: int) -> Process | None:
        return self.there.get(pid)

    def ignores_children(self, pid: int) -> bool:
        # Of a zombie the kernel tells no signals.
        return pid in self.deaf and pid in self.living

    @property
    def living(self) -> list[int]:
        return sorted(pid for pid, process in self.there.items() if not process.zombie)

    def spawn(self, parent: int) -> None:
        self.born += 1
        self.there[self.born] = Process(float(self.born), parent, 0.0, 0.0)
        self.deaf |= {self.born} if parent in self.deaf else set()

    def work(self, pid: int) -> None:
        process = self.there[pid]
        self.there[pid] = replace(process, own_s=process.own_s + 1)
        self.truth_s += 1

    def end(self, pid: int) -> None:
        """It ends; its children get another parent."""
        for child, process in list(self.there.items()):
            if process.parent == pid:
                self.there[child] = replace(process, parent=self.reaper)
                if process.zombie:
                    self._tell_parent(child)
        self.there[pid] = replace(self.there[pid], zombie=True)
        self._tell_parent(pid)

    def _tell_parent(self, pid: int) -> None:
        parent = self.there[pid].parent
        if parent == 0 or parent in self.deaf:
            del self.there[pid]

    def wait(self, pid: int) -> None:
        """The parent of a zombie waits for it."""
        ended = self.there.pop(pid)
        parent = self.there[ended.parent]
        self.there[ended.parent] = replace(parent, children_s=parent.children_s + ended.total_s)

    def tree(self, root: int) -> list[int]:
        children = [pid for pid, process in self.there.items() if process.parent == root]
        return [root, *(below for child in children for below in self.tree(child))]


class RacingKernel(Kernel):
    """Zombies are waited for while somebody reads the processes one after another."""

    def __init__(self, data: st.DataObject, **options: bool) -> None:
        super().__init__(**options)
        self._data = data

    def read(self, pid: int) -> Process | None:
        found = super().read(pid)
        zombies = [pid for pid, process in self.there.items() if process.zombie]
        if zombies and self._data.draw(st.booleans(), "a race"):
            self.wait(self._data.draw(st.sampled_from(zombies), "waited for"))
        return found


def step(kernel: Kernel, data: st.DataObject, *, can_be_deaf: bool) -> str:
    whats = ["spawn", "work", "work", "end", "wait", *(["deaf"] if can_be_deaf else [])]
    what = data.draw(st.sampled_from(whats), "what")
    zombies = [pid for pid, process in kernel.there.items() if process.zombie]
    pid = data.draw(st.sampled_from(kernel.living), "who")
    if what == "spawn":
        kernel.spawn(pid)
    elif what == "work":
        kernel.work(pid)
    elif what == "deaf":
        kernel.deaf ^= {pid}
    elif what == "end" and pid != 1:
        kernel.end(pid)
    elif what == "wait" and zombies:
        kernel.wait(data.draw(st.sampled_from(zombies), "waited for"))
    return what


@given(st.data())
def test_no_time_is_lost_or_doubled_whoever_ends(data: st.DataObject) -> None:
    """Where every parent hears of its children, and orphans come back: to the tick.

    However seldom the meter looks, and although zombies vanish while it reads.
    """
    kernel = RacingKernel(data, adopts=True)
    with pytest.MonkeyPatch.context() as patch:
        kernel.install(patch)
        meter = TreeMeter(1, adopter=1, cpus=1)
        for _ in range(data.draw(st.integers(1, 25))):
            step(kernel, data, can_be_deaf=False)
            if data.draw(st.booleans(), "look"):
                meter.used_s(search=data.draw(st.booleans(), "search"))
        assert meter.used_s(search=True) == kernel.truth_s


@given(st.data())
def test_what_cannot_be_known_is_in_the_interval(data: st.DataObject) -> None:
    """Parents that ignore SIGCHLD, and orphans that nobody of the tree adopts.

    With a look after each beginning and each switch: before it nobody can know of them.
    """
    adopts = data.draw(st.booleans(), "adopts")
    kernel = Kernel(adopts=adopts)
    with pytest.MonkeyPatch.context() as patch:
        kernel.install(patch)
        meter = TreeMeter(1, adopter=1 if adopts else None, cpus=1)
        for _ in range(data.draw(st.integers(1, 25))):
            what = step(kernel, data, can_be_deaf=True)
            if what in ("spawn", "deaf") or data.draw(st.booleans(), "look"):
                used_s = meter.used_s(search=True)
                assert used_s is not None
                assert abs(used_s - kernel.truth_s) <= meter.unsure_s + 1e-9


@pytest.mark.parametrize("deaf", [False, True])
def test_what_one_child_leaves_is_not_taken_for_anothers(
    monkeypatch: pytest.MonkeyPatch, deaf: bool
) -> None:
    """1 starts 2 and 3; 2 works, and ends; 3 works, and ends; 1 waits for 3 only."""
    kernel = Kernel()
    kernel.install(monkeypatch)
    kernel.deaf = {1} if deaf else set()
    meter = TreeMeter(1, cpus=1)
    kernel.spawn(1)
    kernel.spawn(1)
    kernel.work(2)
    assert meter.used_s(search=True) == 1
    kernel.end(2)
    kernel.work(3)
    kernel.end(3)
    if not deaf:
        kernel.wait(3)
        # 2 is a zombie.
        assert (meter.used_s(), meter.unsure_s) == (2, 0)
    else:
        # What 3 did after the last look nobody knows.
        assert (meter.used_s(), meter.unfollowed) == (1, 2)
        assert meter.unsure_s >= 1


@pytest.mark.parametrize("adopts", [False, True])
def test_what_a_child_left_to_one_that_ended_too_counts_once(
    monkeypatch: pytest.MonkeyPatch, adopts: bool
) -> None:
    """2 waits for 3, and is waited for while somebody reads: its last count holds that of 3."""
    kernel = Kernel(adopts=adopts)
    kernel.install(monkeypatch)
    meter = TreeMeter(1, adopter=1 if adopts else None, cpus=1)
    kernel.spawn(1)
    kernel.spawn(2)
    kernel.work(3)
    kernel.end(3)
    assert meter.used_s(search=True) == 1
    kernel.wait(3)
    kernel.end(2)

    def read(pid: int) -> Process | None:
        found = kernel.read(pid)
        if pid == 2 and found is not None:
            kernel.wait(2)
        return found

    monkeypatch.setattr(cpu_time, "read_process", read)
    assert meter.used_s(search=True) == 1


def test_what_an_orphan_of_a_zombie_used_is_in_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2 starts 3, and ends; 3 works, and ends as an orphan, between two looks."""
    kernel = Kernel()
    kernel.install(monkeypatch)
    meter = TreeMeter(1, cpus=1)
    kernel.spawn(1)
    kernel.spawn(2)
    assert meter.used_s(search=True) == 0
    kernel.end(2)
    kernel.work(3)
    kernel.end(3)
    assert meter.used_s() == 0
    assert meter.unsure_s >= 1


def test_an_orphan_whose_adopter_ignores_sigchld_is_in_the_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """3 is a zombie of 2 when 2 ends, and 1 would adopt it, but hears of nothing."""
    kernel = Kernel(adopts=True)
    kernel.install(monkeypatch)
    kernel.deaf = {1}
    meter = TreeMeter(1, adopter=1, cpus=1)
    kernel.spawn(1)
    kernel.deaf = {1}
    kernel.spawn(2)
    assert meter.used_s(search=True) == 0
    kernel.work(3)
    kernel.end(3)
    kernel.end(2)
    assert meter.used_s() == 0
    assert meter.unsure_s >= 1


def test_what_an_orphan_starts_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel()
    kernel.install(monkeypatch)
    meter = TreeMeter(1)
    kernel.spawn(1)
    kernel.spawn(2)
    meter.used_s(search=True)
    kernel.end(2)
    kernel.spawn(3)
    meter.used_s(search=True)
    kernel.work(4)
    assert meter.used_s() == 1.0
