"""Which processes belong to what is measured, and which are somebody else's.

    lem -- root -- ... -- this process        ours: root, all that descends from it, and lem
            |             |
            other ranks   what it starts

Of a process whose parent has ended its process group still tells: a group that somebody of ours
leads is ours. A daemon that left both is not recognised.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import psutil

from llenergymeasure.config.runtime_env import current_rank
from llenergymeasure.constants import PARENT_PID_ENV

# The kernel's own number for the first namespace of process ids (PROC_PID_INIT_INO).
_HOST_NAMESPACE = "pid:[4026531836]"

_LONGEST_NAME = 40


def sees_host_pids(link: Path = Path("/proc/self/ns/pid")) -> bool:
    """Whether ids that a driver tells are ids that we see: not in a container with its own."""
    try:
        return str(link.readlink()) == _HOST_NAMESPACE
    except OSError:
        return False


def find_common_root() -> int:
    """This process; the parent of all where there are several ranks."""
    # The first process of a container has a parent that it cannot see: 0.
    return os.getpid() if current_rank().count == 1 else os.getppid() or os.getpid()


class ProcessTree:
    """Tells our processes from others. Verdicts are kept: what was ours stays ours.

    Args:
        env: Where a parent says that it started us.
    """

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._root, self._above = _root_and_above(psutil.Process(), env)
        self._verdicts: dict[int, tuple[psutil.Process, bool]] = {}

    def foreign(self, pids: Iterable[int]) -> dict[int, str]:
        """Those that are not ours, with their name, or an empty one where it cannot be read.

        One that had ended before it could be looked at is left out: whose it was is not known.
        """
        found = {}
        for pid in pids:
            try:
                process, ours = self._verdict(pid)
            except (psutil.NoSuchProcess, OverflowError, ValueError):
                if _find_hidden(pid):
                    found[pid] = ""
                continue
            if not ours:
                found[pid] = _name(process)
        return found

    def _verdict(self, pid: int) -> tuple[psutil.Process, bool]:
        known = self._verdicts.get(pid)
        # An id may be used again; psutil notices by the start time.
        if known is None or not known[0].is_running():
            process = psutil.Process(pid)
            ours = pid == self._above or self._descends(process) or self._is_led_by_ours(pid)
            known = self._verdicts[pid] = (process, ours)
        return known

    def _descends(self, process: psutil.Process) -> bool:
        return self._root in (one.pid for one in _line(process))

    def _is_led_by_ours(self, pid: int) -> bool:
        try:
            leader = os.getpgid(pid)
            return leader != pid and self._descends(psutil.Process(leader))
        except (OSError, psutil.Error):
            return False


def _line(process: psutil.Process) -> list[psutil.Process]:
    """A process and its ancestors, up to the first of which another user may not know more."""
    line = [process]
    # /proc with hidepid=1 shows that they are there, and no more. What is ours can be read.
    with contextlib.suppress(psutil.AccessDenied):
        while (parent := line[-1].parent()) is not None:
            line.append(parent)
    return line


def _root_and_above(me: psutil.Process, env: Mapping[str, str]) -> tuple[int, int | None]:
    chain = _line(me)
    for child, parent in pairwise(chain):
        if str(parent.pid) == env.get(PARENT_PID_ENV):
            return child.pid, parent.pid
    # One of several ranks: they have their parent in common.
    if len(chain) > 1 and env.get("LOCAL_WORLD_SIZE", "1") != "1":
        return chain[1].pid, None
    return me.pid, None


def _name(process: psutil.Process) -> str:
    """A program chooses its own name: nothing in it may move a terminal's cursor."""
    try:
        name = str(process.name())
    except psutil.Error:
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_LONGEST_NAME])


def _find_hidden(pid: int) -> bool:
    """It is there, but /proc does not show other users' processes."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False
