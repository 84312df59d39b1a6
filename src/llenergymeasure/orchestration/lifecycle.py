"""Starting, watching and ending processes. Knows no engine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from llenergymeasure.constants import PARENT_PID_ENV

# SIGTERM, then this long, then SIGKILL.
_SHUTDOWN_GRACE_S = 2.0
_PR_SET_PDEATHSIG = 1
_PARENT_CHECK_S = 0.25


def spawn(command: Sequence[str], output: Path) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that Ctrl-C reaches only this one.

    Its stdout and stderr go to ``output``; it has no stdin. Its environment names this process, so
    that an energy source can tell which processes belong to the measurement.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("ab") as file:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, PARENT_PID_ENV: str(os.getpid())},
        )


def end_group(process: subprocess.Popen[bytes], grace_s: float = _SHUTDOWN_GRACE_S) -> None:
    """End a spawned process and all it started: SIGTERM, a grace period, SIGKILL."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=grace_s)
    # Also when the leader has gone: something that it started may still be there.
    _signal_group(process, signal.SIGKILL)
    process.wait(timeout=30)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def die_with_parent(parent_pid: int) -> None:
    """End this process when the process ``parent_pid`` ends, however it ends.

    The kernel does it on Linux; a thread looks four times a second everywhere, which also covers
    a parent that had gone before this call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)
    thread = threading.Thread(
        target=_watch_parent, args=(parent_pid,), name="lem-parent", daemon=True
    )
    thread.start()


def _watch_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_PARENT_CHECK_S)
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Within it SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt (main thread only).

    SIGINT too, because a shell starts background jobs with SIGINT ignored, and a run must be
    stoppable from there. A SIGHUP that is ignored stays so: that is what nohup asks for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class OomWatch:
    """Notices that the kernel killed a process of ours for memory, by the cgroup's own count."""

    def __init__(self, pid: int) -> None:
        self._file = _memory_events_file(pid)
        self._before = _oom_kills(self._file)

    def killed(self) -> bool | None:
        """Whether the count rose since the start; None where there is no count."""
        now = _oom_kills(self._file)
        if now is None or self._before is None:
            return None
        return now > self._before


def _memory_events_file(pid: int) -> Path | None:
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        relative = path.lstrip("/")
        if controllers == "":
            candidate = Path("/sys/fs/cgroup", relative, "memory.events")
        elif "memory" in controllers.split(","):
            candidate = Path("/sys/fs/cgroup/memory", relative, "memory.oom_control")
        else:
            continue
        if candidate.is_file():
            return candidate
    return None


def _oom_kills(file: Path | None) -> int | None:
    if file is None:
        return None
    try:
        for line in file.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    except (OSError, ValueError):
        return None
    return None


def describe_exit(returncode: int, oom_killed: bool | None) -> str:
    """How a process ended, in words: exit code, signal, or killed for memory."""
    if returncode >= 0:
        return f"it exited with code {returncode}"
    number = -returncode
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number != signal.SIGKILL:
        return f"it was ended by {name}"
    if oom_killed:
        return "it was killed for using too much memory (SIGKILL by the kernel's OOM killer)"
    if oom_killed is None:
        return "it was killed (SIGKILL); running out of memory is a common cause"
    return "it was killed (SIGKILL), and not by the kernel's OOM killer of its cgroup"
