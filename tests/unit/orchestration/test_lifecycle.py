from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from llenergymeasure.orchestration.lifecycle import (
    OomWatch,
    describe_exit,
    end_group,
    spawn,
    termination_as_interrupt,
)


def wait_until(condition, seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_spawned_process_has_its_own_session_and_no_stdin(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getsid(0) == os.getpid(), sys.stdin.read() == '')"
    process = spawn([sys.executable, "-c", code], tmp_path / "logs" / "out.log")
    assert process.wait(timeout=120) == 0
    assert (tmp_path / "logs" / "out.log").read_text().split() == ["True", "True"]


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    output = tmp_path / "out.log"
    process = spawn([sys.executable, "-c", code], output)
    assert wait_until(lambda: output.read_text().strip() != "")
    child = int(output.read_text())
    end_group(process, grace_s=0.2)
    assert process.returncode == -signal.SIGKILL

    def gone() -> bool:
        return not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"

    assert wait_until(gone)


@pytest.mark.parametrize("prompt_death", [True, False])
def test_a_child_dies_with_its_parent(tmp_path: Path, prompt_death: bool) -> None:
    child = (
        "import os, time\n"
        "from llenergymeasure.orchestration.lifecycle import die_with_parent\n"
        "die_with_parent(os.getppid())\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "time.sleep(600)\n"
    )
    if not prompt_death:
        # The watching thread alone must do it, as where there is no prctl.
        child = child.replace("import os, time\n", "import os, sys, time; sys.platform = 'x'\n")
        parent = (
            "import subprocess, sys, time\n"
            f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
            "time.sleep(600)\n"
        )
    output = tmp_path / "out.log"
    process = spawn([sys.executable, "-c", parent], output)
    assert wait_until(lambda: output.read_text().strip() != "")
    pid = int(output.read_text())
    process.kill()
    process.wait(timeout=120)
    assert wait_until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"
    )


def test_a_child_whose_parent_has_gone_already_ends_at_once() -> None:
    code = (
        "from llenergymeasure.orchestration.lifecycle import die_with_parent\n"
        "die_with_parent(1)\n"
        "print('still here')\n"
    )
    if os.getpid() == 1:
        pytest.skip("this test runs as PID 1")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""


@pytest.fixture
def ignored(request: pytest.FixtureRequest):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.SIG_IGN)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("ignored")
def test_an_ignored_sigint_still_stops_a_run_and_an_ignored_sighup_does_not() -> None:
    with termination_as_interrupt():
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_termination_is_an_interrupt(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), termination_as_interrupt():
        os.kill(os.getpid(), number)
        time.sleep(60)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("code", "oom", "expected"),
    [
        (1, False, "it exited with code 1"),
        (-signal.SIGSEGV, None, "it was ended by SIGSEGV"),
        (-signal.SIGKILL, True, "out of memory|too much memory"),
        (-signal.SIGKILL, None, "running out of memory is a common cause"),
        (-signal.SIGKILL, False, "not by the kernel's OOM killer"),
    ],
)
def test_an_exit_is_told_in_words(code: int, oom: bool | None, expected: str) -> None:
    import re

    assert re.search(expected, describe_exit(code, oom))


def test_the_oom_count_is_read_or_unknown() -> None:
    assert OomWatch(os.getpid()).killed() in (False, None)
    assert OomWatch(2**22 + 1).killed() is None
