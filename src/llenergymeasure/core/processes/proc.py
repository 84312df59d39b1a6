"""What the kernel tells of a process: read from /proc, or by psutil where there is none."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

# The kernel counts CPU time in ticks of 10 ms, rounded down, user and system time each.
TICK_S = 0.01

_PROC = Path("/proc/self/stat").exists()
_SIGCHLD_BIT = 1 << 16  # signal 17, counted from 1


@dataclass(frozen=True)
class Process:
    """A process as it was at one look.

    Attributes:
        created: When it began, in s, on the clock of ``now_s``.
        parent: Its parent's id.
        own_s: CPU seconds of its threads.
        children_s: CPU seconds of the children that it has waited for, and of theirs.
        threads: How many it has.
        zombie: It has ended, and nobody has waited for it yet. Its CPU time stays readable.
    """

    created: float
    parent: int
    own_s: float
    children_s: float
    threads: int = 1
    zombie: bool = False

    @property
    def total_s(self) -> float:
        """CPU seconds that its parent gets when it waits for it."""
        return self.own_s + self.children_s


def now_s() -> float:
    """Now, in s, on the clock that start times are given in."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if _PROC else time.time()


def read_process(pid: int) -> Process | None:
    """The process that has ``pid`` now; None if there is none, or it may not be read."""
    return _read_stat(pid) if _PROC else _read_elsewhere(pid)


def ignores_children(pid: int) -> bool:
    """Whether it ignores SIGCHLD: its children leave nothing behind when they end.

    False where that cannot be read; SA_NOCLDWAIT has the same effect and cannot be read at all.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    _, found, after = status.partition("\nSigIgn:")
    return bool(found) and bool(int(after.split(None, 1)[0], 16) & _SIGCHLD_BIT)


def list_tree(root: int) -> Iterator[int]:
    """A process and all that descend from it, parents first; zombies are among them.

    Those that begin or end meanwhile may be left out.
    """
    if not _kernel_tells_children():
        yield root
        try:
            yield from (child.pid for child in psutil.Process(root).children(recursive=True))
        except (psutil.Error, OSError):
            return
        return
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(list_children(pid))


def list_children(pid: int) -> list[int]:
    """The children of a process, zombies among them; empty where the kernel does not list them."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    except OSError:
        pass  # it has ended
    return found


def _kernel_tells_children() -> bool:
    # To ask all processes of a server for their parents takes ten times as long.
    pid = os.getpid()
    return Path(f"/proc/{pid}/task/{pid}/children").exists()


def _read_stat(pid: int) -> Process | None:
    # psutil reads the same file four times, to be sure that the number was not given anew.
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name comes before, in parentheses, and may hold anything.
    fields = text.rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    ticks = os.sysconf("SC_CLK_TCK")
    return Process(
        created=int(fields[19]) / ticks,
        parent=int(fields[1]),
        own_s=(user + system) / ticks,
        children_s=(children_user + children_system) / ticks,
        threads=max(int(fields[17]), 1),
        zombie=fields[0] in "ZX",
    )


def _read_elsewhere(pid: int) -> Process | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return Process(
                created=process.create_time(),
                parent=process.ppid(),
                own_s=times.user + times.system,
                children_s=getattr(times, "children_user", 0.0)
                + getattr(times, "children_system", 0.0),
                zombie=process.status() == psutil.STATUS_ZOMBIE,
            )
    except (psutil.Error, OSError):
        return None
