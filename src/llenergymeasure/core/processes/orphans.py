"""Orphans come back to us: a daemon that forks twice stays in the tree of what is measured.

Linux gives an orphan to the nearest ancestor that asks for it (PR_SET_CHILD_SUBREAPER), else to
init. What another service starts on request (systemd-run, docker, cron) is nobody's orphan, and is
not found.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time

from llenergymeasure.core.processes.proc import list_children, read_process

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37

_EVERY_S = 0.5


def adopt_orphans(*, adopt: bool = True) -> bool:
    """Become the parent of every orphan among our descendants from now on, or cease to.

    Returns whether the system does that. Those that end stay zombies until somebody waits for them.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0) == 0)


def adopts_orphans() -> bool:
    """Whether this process has asked for them."""
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int(0)
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(done == 0 and answer.value)


def find_adopter() -> int | None:
    """Who gets the orphans below this process, as far as is known: itself, or None."""
    return os.getpid() if adopts_orphans() else None


class OrphanReaper:
    """Waits for adopted orphans that have ended, so that none stays a zombie.

    A child that a library of ours has started is waited for by it, at once; its exit code must not
    be taken away. So a zombie is left alone when it is first seen.

    Args:
        but: A child that somebody else waits for.
    """

    def __init__(self, but: int) -> None:
        self._but = but
        self._seen: set[int] = set()
        self._next_s = 0.0

    def reap(self) -> None:
        """Wait for those that have been zombies for half a second; never blocks."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _EVERY_S
        me, zombies = os.getpid(), set()
        for pid in list_children(me):
            process = read_process(pid)
            if pid != self._but and process is not None and process.zombie:
                zombies.add(pid)
        for pid in zombies & self._seen:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        self._seen = zombies
