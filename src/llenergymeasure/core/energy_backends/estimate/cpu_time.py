"""CPU time of a process and all that descends from it, those that have ended included.

What a process used is passed on to the parent that waits for it: the sum over the living, with
what their children left them, misses nothing. It misses those whom nobody of the tree waits for;
they are followed until they end, and what they had used when last seen is kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

# The kernel tells CPU time in ticks of 10 ms, cut off, for user and system time each.
TICK_S = 0.01
_ROUNDING_S = 2 * TICK_S

# Start times are cut off too; other systems than Linux tell them in whole seconds.
_SURELY_BEFORE_S = 2.0

# Looking for new processes asks every thread of every known one, and torch has many: seldom, and
# for a hundredth of a core at most.
_SEARCH_EVERY_S = 1.0
_SEARCH_SHARE = 0.01

_PROC = Path("/proc/self/stat").exists()


@dataclass(frozen=True)
class _Seen:
    """A process as it was at one look."""

    created: float
    parent: int
    own_s: float
    children_s: float

    @property
    def total_s(self) -> float:
        return self.own_s + self.children_s


class TreeMeter:
    """CPU seconds of a process tree since this was made.

    Args:
        root: Its first process.

    Attributes:
        most: The most processes that were seen at once.
    """

    def __init__(self, root: int) -> None:
        self.most = 0
        self._root = root
        self._began_s = _now_s()
        self._search_at_s = 0.0
        self._known: dict[int, _Seen] = {}
        self._lost_s = 0.0
        self._before_s = 0.0
        self._before_s = self._sum_s(self._look(search=True))

    def used_s(self, *, search: bool | None = None) -> float | None:
        """CPU seconds since the start; None if the tree cannot be read any more.

        Args:
            search: Whether to look for new processes; None is now and then. Those that are
                overlooked count when they are found, or when their parents have waited for them.
        """
        seen = self._look(search=search)
        if self._root not in seen:
            return None
        # What ended between two of the reads of one look may be in none of them.
        return max(self._sum_s(seen) - self._before_s, 0.0)

    def _sum_s(self, seen: dict[int, _Seen]) -> float:
        return sum(process.total_s for process in seen.values()) + self._lost_s

    def _look(self, *, search: bool | None) -> dict[int, _Seen]:
        seen = {}
        for pid in self._find_processes(search=search) | self._known.keys():
            process = _read(pid)
            if process is None or self._has_taken_the_number(pid, process):
                continue
            seen[pid] = process
            if self._was_overlooked(pid, process):
                self._before_s += process.total_s
        self._lost_s += self._unreaped_s(seen)
        self._known = seen
        self.most = max(self.most, len(seen))
        return seen

    def _find_processes(self, *, search: bool | None) -> set[int]:
        begin_s = time.monotonic()
        if search is False or (search is None and begin_s < self._search_at_s):
            return set()
        found = set(_tree(self._root))
        # What an orphan starts is not below the root any more.
        for pid in self._known.keys() - found:
            if self._is_still(pid):
                found.update(_tree(pid))
        took_s = time.monotonic() - begin_s
        self._search_at_s = begin_s + max(_SEARCH_EVERY_S, took_s / _SEARCH_SHARE)
        return found

    def _is_still(self, pid: int) -> bool:
        process = _read(pid)
        return process is not None and not self._has_taken_the_number(pid, process)

    def _has_taken_the_number(self, pid: int, process: _Seen) -> bool:
        """Whether the one that had it when we last looked has ended."""
        return pid in self._known and self._known[pid].created != process.created

    def _was_overlooked(self, pid: int, process: _Seen) -> bool:
        """Whether it was there at the start: what it used before is not the window's."""
        later = bool(self._known) and pid not in self._known
        return later and process.created < self._began_s - _SURELY_BEFORE_S

    def _unreaped_s(self, seen: dict[int, _Seen]) -> float:
        """CPU time of those who have ended, as far as nobody whom we see has got it."""
        lost_s = 0.0
        left_s: dict[int, float] = {}
        for pid, process in self._known.items():
            if pid in seen:
                continue
            heir = self._heir(process, seen)
            if heir is None:
                lost_s += process.total_s
            else:
                left_s[heir] = left_s.get(heir, 0.0) + process.total_s
        for heir, total_s in left_s.items():
            missing_s = total_s - (seen[heir].children_s - self._known[heir].children_s)
            lost_s += missing_s if missing_s > _ROUNDING_S else 0.0
        return lost_s

    def _heir(self, process: _Seen, seen: dict[int, _Seen]) -> int | None:
        """The nearest ancestor that was there and still is."""
        parent = process.parent
        while parent in self._known:
            if parent in seen:
                return parent
            parent = self._known[parent].parent
        return None


def _now_s() -> float:
    """Now, on the clock that start times are told in."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if _PROC else time.time()


def _read(pid: int) -> _Seen | None:
    return _read_stat(pid) if _PROC else _read_elsewhere(pid)


def _read_stat(pid: int) -> _Seen | None:
    # psutil reads the same file four times, to be sure that the number was not given anew.
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name comes before, in parentheses, and may hold anything.
    fields = text.rpartition(")")[2].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    ticks = os.sysconf("SC_CLK_TCK")
    return _Seen(
        created=int(fields[19]) / ticks,
        parent=int(fields[1]),
        own_s=(user + system) / ticks,
        children_s=(children_user + children_system) / ticks,
    )


def _read_elsewhere(pid: int) -> _Seen | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return _Seen(
                created=process.create_time(),
                parent=process.ppid(),
                own_s=times.user + times.system,
                children_s=getattr(times, "children_user", 0.0)
                + getattr(times, "children_system", 0.0),
            )
    except (psutil.Error, OSError):
        return None


def _tree(root: int) -> Iterator[int]:
    """The tree's processes; those that end meanwhile may be left out."""
    if not _kernel_tells_children():
        yield root
        try:
            yield from (child.pid for child in psutil.Process(root).children(recursive=True))
        except (psutil.Error, OSError):
            return
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(_children(pid))


def _kernel_tells_children() -> bool:
    # To ask all processes of a server for their parents takes ten times as long.
    pid = os.getpid()
    return Path(f"/proc/{pid}/task/{pid}/children").exists()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
    except OSError:
        pass  # it has ended; those that it left are followed if they were seen before
    return found
