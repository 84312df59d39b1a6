"""CPU time of process trees on the real kernel: what `proc.py` and `cpu_time.py` rest on."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

BURN = "import time\nwhile time.process_time() < 0.4: pass\n"
# A daemon as it is written in books. Who reads its stdout to the end knows that it has ended.
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        while time.process_time() < 0.4: pass
    os._exit(0)
os.wait()
"""
COMMON = """
import os, signal, subprocess, sys, time
from llenergymeasure.core.processes.cpu_time import TreeMeter
from llenergymeasure.core.processes.proc import ignores_children, list_children, read_process
from llenergymeasure.core.processes.orphans import (
    OrphanReaper, adopt_orphans, adopts_orphans, find_adopter
)
BURN = {burn!r}
def start(code=BURN):
    return subprocess.Popen([sys.executable, "-S", "-c", code])
def wait_until(done):
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COMMON.format(burn=BURN) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_zombie_keeps_its_time_until_its_parent_waits() -> None:
    run("""
        child = start()
        wait_until(lambda: read_process(child.pid).zombie)
        zombie = read_process(child.pid)
        assert zombie.own_s >= 0.35, zombie
        assert child.pid in list_children(os.getpid())
        before = read_process(os.getpid()).children_s
        child.wait()
        assert read_process(child.pid) is None
        assert read_process(os.getpid()).children_s - before >= zombie.total_s - 0.02
    """)


def test_who_ignores_sigchld_gets_nothing_of_its_children() -> None:
    run("""
        assert not ignores_children(os.getpid())
        zombie = start()
        wait_until(lambda: read_process(zombie.pid).zombie)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        assert ignores_children(os.getpid())
        # Who was a zombie before stays one, and leaves its time when it is waited for.
        assert read_process(zombie.pid).zombie
        os.waitpid(zombie.pid, 0)
        before = read_process(os.getpid()).children_s
        assert before >= 0.35
        child = start()
        wait_until(lambda: read_process(child.pid) is None)
        assert read_process(os.getpid()).children_s == before
    """)


def test_what_such_a_child_used_is_kept_and_the_rest_is_in_the_interval() -> None:
    run("""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        meter = TreeMeter(os.getpid())
        child = start(BURN + "time.sleep(0.2)")
        seen_s = 0.0
        while read_process(child.pid) is not None:
            now = read_process(child.pid)
            meter.used_s(search=True)
            seen_s = now.total_s if now is not None else seen_s
            time.sleep(0.01)
        used_s = meter.used_s(search=True)
        assert used_s >= seen_s >= 0.3, (used_s, seen_s)
        assert meter.unfollowed == 1
        assert meter.unsure_s > 0
    """)


@pytest.mark.parametrize("adopts", [True, False])
def test_a_double_forked_daemon_stays_in_the_tree_of_who_adopts_it(adopts: bool) -> None:
    run(f"""
        if {adopts}:
            assert adopt_orphans() and adopts_orphans()
        meter = TreeMeter(os.getpid(), adopter=find_adopter())
        own = time.process_time()
        child = [sys.executable, "-S", "-c", {DAEMON!r}]
        subprocess.run(child, stdout=subprocess.PIPE, check=True)
        used_s = meter.used_s(search=True) - (time.process_time() - own)
        if not {adopts}:
            assert used_s < 0.3, used_s
        else:
            assert used_s >= 0.35, used_s
            reaper = OrphanReaper(but=0)
            wait_until(lambda: (reaper.reap(), not list_children(os.getpid()))[1])
            after_s = meter.used_s(search=True) - (time.process_time() - own)
            assert after_s >= 0.35, after_s
            assert meter.unfollowed == 0
    """)


@pytest.mark.parametrize("program", [BURN, DAEMON])
def test_lem_measure_finds_what_a_daemon_uses(program: str, tmp_path: Path) -> None:
    """Its joules are those of a plain child; its exit code passes; it stays nobody's zombie."""
    file = tmp_path / "program.py"
    file.write_text(program)
    out = run(f"""
        from llenergymeasure.orchestration.metering.command import measure_command
        # 100 W a core, whatever the machine is.
        options = {{"cpu_tdp_w": 100.0 * (__import__("psutil").cpu_count(logical=False) or 1)}}
        shell = f"{{sys.executable}} -S {file} | cat; exit 3"
        measured = measure_command(["sh", "-c", shell], "estimate", options)
        assert measured.exit_code == 3
        cpu = next(d for d in measured.energy.domains if d.name == "cpu")
        print(cpu.scope, cpu.joules)
        assert not adopts_orphans()
    """)
    scope, joules = out.split()
    assert scope == "process"
    assert float(joules) >= 35
