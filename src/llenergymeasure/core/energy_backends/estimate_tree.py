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

# Start times are told in ticks since boot, and boot time in whole seconds.
_SURELY_BEFORE_S = 2.0


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
        self._began = time.time()
        self._known: dict[int, _Seen] = {}
        self._lost_s = 0.0
        self._before_s = 0.0
        self._before_s = self._sum_s(self._look())

    def used_s(self) -> float | None:
        """CPU seconds since the start; None if the tree cannot be read any more."""
        seen = self._look()
        if self._root not in seen:
            return None
        # What ended between two of the reads of one look may be in none of them.
        return max(self._sum_s(seen) - self._before_s, 0.0)

    def _sum_s(self, seen: dict[int, _Seen]) -> float:
        return sum(process.total_s for process in seen.values()) + self._lost_s

    def _look(self) -> dict[int, _Seen]:
        seen = {}
        for pid in {*_tree(self._root), *self._known}:
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

    def _has_taken_the_number(self, pid: int, process: _Seen) -> bool:
        """Whether the one that had it when we last looked has ended."""
        return pid in self._known and self._known[pid].created != process.created

    def _was_overlooked(self, pid: int, process: _Seen) -> bool:
        """Whether it was there at the start: what it used before is not the window's."""
        later = bool(self._known) and pid not in self._known
        return later and process.created < self._began - _SURELY_BEFORE_S

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


def _read(pid: int) -> _Seen | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return _Seen(
                created=process.create_time(),
                parent=process.ppid(),
                own_s=times.user + times.system,
                children_s=times.children_user + times.children_system,
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
