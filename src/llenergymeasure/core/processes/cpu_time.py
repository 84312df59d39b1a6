"""CPU time of a process and all that descends from it, those that have ended included.

An ended process stays readable, as a zombie, until its parent waits for it; then the parent's count
holds its time. The sum over all that can be read misses nothing of it. Two kinds of processes leave
nothing to anybody of the tree; they are followed, and what they had used when last seen is kept:

- children of a parent that ignores SIGCHLD: they vanish when they end;
- orphans, where nobody of the tree adopts them (see ``orphans.py``), or who does ignores SIGCHLD.

What cannot be known: what such a process used after the last look (``unsure_s`` bounds it by its
threads), and what it used at all if it came and went between two looks. A parent that switches
SIGCHLD off and on between two looks, or sets SA_NOCLDWAIT, which no file shows, is noticed only
where its count rises by less than its children had used.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict

from llenergymeasure.core.processes.proc import (
    TICK_S,
    Process,
    ignores_children,
    list_tree,
    now_s,
    read_process,
)

_ROUNDING_S = 2 * TICK_S

# Start times are cut off too; other systems than Linux tell them in whole seconds.
_SURELY_BEFORE_S = 2.0

# Looking for new processes asks every thread of every known one, and torch has many: seldom, and
# for a hundredth of a core at most.
_SEARCH_EVERY_S = 0.2
_SEARCH_SHARE = 0.01

# A look in which a process vanished is repeated; a tree never stands still for so long as this.
_MOST_PASSES = 10


class TreeMeter:
    """CPU seconds of a process tree since this was made.

    Args:
        root: Its first process.
        adopter: The process of the tree that orphans come back to (``orphans.find_adopter``).
        cpus: How many processes can run at once.

    Attributes:
        most: The most processes that were seen at once.
        unsure_s: By how much the CPU seconds may be off, rounding to ticks left out.
        unfollowed: Processes that ended where nobody of the tree got their time.
    """

    def __init__(self, root: int, *, adopter: int | None = None, cpus: int | None = None) -> None:
        self.most = 0
        self.unsure_s = 0.0
        self.unfollowed = 0
        self._root = root
        self._adopter = adopter
        # Who adopts and ignores SIGCHLD gets nothing, as of its own children.
        self._can_adopt = self._surely_adopts = False
        self._cpus = cpus or os.cpu_count() or 1
        self._began_s = now_s()
        self._looked_s = _monotonic_s()
        self._search_at_s = 0.0
        self._known: dict[int, Process] = {}
        self._deaf: set[int] = set()
        self._lost_s = 0.0
        self._before_s = 0.0
        self._before_s = self._sum_s(self._look(search=True))
        self.unsure_s, self.unfollowed = 0.0, 0

    def used_s(self, *, search: bool | None = None) -> float | None:
        """CPU seconds since the start; None if the tree cannot be read any more.

        Args:
            search: Whether to look for new processes; None is now and then. Those that are
                overlooked count when they are found, or when their parents have waited for them.
        """
        seen = self._look(search=search)
        if self._root not in seen:
            return None
        return max(self._sum_s(seen) - self._before_s, 0.0)

    def _sum_s(self, seen: dict[int, Process]) -> float:
        return sum(process.total_s for process in seen.values()) + self._lost_s

    def _look(self, *, search: bool | None) -> dict[int, Process]:
        pids = list(dict.fromkeys([*self._find_processes(search=search), *self._known]))
        first, last = dict(self._known), dict(self._known)
        seen: dict[int, Process] | None = None
        # Who vanishes during a pass may be in nobody's count yet. Parents are read before their
        # children: in a pass in which nobody vanishes, no time is in none or in two of the counts.
        for _ in range(_MOST_PASSES):
            before, seen = seen, _read_all(pids, last)
            for pid, process in seen.items():
                first.setdefault(pid, process)
                last[pid] = process
            if seen.keys() == (set(pids) if before is None else before.keys()):
                break
        assert seen is not None
        if self._known:
            new = first.keys() - self._known.keys()
            self._before_s += sum(first[pid].total_s for pid in new if self._is_old(first[pid]))
        self._follow_up(first, last, seen)
        watched = _parents(seen) | ({self._adopter} if self._adopter is not None else set())
        self._deaf = {pid for pid in watched if ignores_children(pid)}
        self._known = seen
        self._looked_s = _monotonic_s()
        self.most = max(self.most, len(seen))
        return seen

    def _find_processes(self, *, search: bool | None) -> list[int]:
        begin_s = _monotonic_s()
        if search is False or (search is None and begin_s < self._search_at_s):
            return []
        found = dict.fromkeys(list_tree(self._root))
        # What an orphan starts is not below the root any more.
        for pid in self._known.keys() - found.keys():
            if pid in _read_all([pid], self._known):
                found.update(dict.fromkeys(list_tree(pid)))
        took_s = _monotonic_s() - begin_s
        self._search_at_s = begin_s + max(_SEARCH_EVERY_S, took_s / _SEARCH_SHARE)
        return list(found)

    def _is_old(self, process: Process) -> bool:
        """Whether it was overlooked at the start: what it used before is not the window's."""
        return process.created < self._began_s - _SURELY_BEFORE_S

    def _follow_up(
        self, first: dict[int, Process], last: dict[int, Process], seen: dict[int, Process]
    ) -> None:
        """Keep the CPU time of those who have ended, as far as nobody whom we see has got it."""
        if self._adopter is not None:
            deaf = (self._adopter in self._deaf, ignores_children(self._adopter))
            self._can_adopt, self._surely_adopts = not all(deaf), not any(deaf)
        gap_s = _monotonic_s() - self._looked_s
        # What the machine can have done since the last look.
        room_s = self._cpus * gap_s
        left_s: dict[int, float] = defaultdict(float)
        doubtful_s: dict[int, float] = defaultdict(float)
        missing_s = unsure_s = unseen_s = spare_s = 0.0
        doubled_s = self._sum_doubled_s(first, last, seen)
        if not self._surely_adopts:
            # It may be of another child, whom nobody saw, and this one's be gone.
            unsure_s += sum(doubled_s.values())
        for pid in last.keys() - seen.keys():
            process = last[pid]
            total_s = process.total_s - doubled_s[pid]
            heir, doubtful = self._find_heir(pid, last, seen)
            if heir is None:
                self.unfollowed += 1
            if (heir is None or doubtful) and not process.zombie:
                unseen_s += process.threads * gap_s
            if heir is not None:
                left_s[heir] += total_s
                doubtful_s[heir] += total_s if doubtful else 0.0
            elif doubtful:
                missing_s += total_s
            else:
                self._lost_s += total_s
        for pid, process in seen.items():
            got_s = process.children_s - first[pid].children_s
            short_s = left_s[pid] - got_s
            if short_s > _ROUNDING_S:
                missing_s += short_s
                unsure_s += min(got_s, left_s[pid])
            else:
                spare_s += max(-short_s, 0.0)
                # What others left may be taken for what the doubtful ones would have.
                sure_s = left_s[pid] - doubtful_s[pid]
                unsure_s += max(min(doubtful_s[pid], got_s - sure_s, room_s), 0.0)
        if self._can_adopt:
            # The one that adopts orphans may have got it.
            adopted_s = min(missing_s, spare_s)
            missing_s -= adopted_s
            unsure_s += adopted_s
        self._lost_s += missing_s
        self.unsure_s += unsure_s + min(unseen_s, room_s)

    def _sum_doubled_s(
        self, first: dict[int, Process], last: dict[int, Process], seen: dict[int, Process]
    ) -> dict[int, float]:
        """What each that has ended had got of its children that have ended too, as last seen."""
        gone = last.keys() - seen.keys()
        children: dict[int, list[int]] = defaultdict(list)
        for pid in gone:
            parent = last[pid].parent
            if parent in gone and (last[pid].zombie or parent not in self._deaf):
                children[parent].append(pid)
        doubled_s: dict[int, float] = {}

        def sum_below_s(pid: int) -> float:
            below_s = sum(sum_below_s(child) for child in children[pid])
            got_s = last[pid].children_s - first[pid].children_s
            doubled_s[pid] = min(got_s, below_s)
            return below_s + last[pid].total_s - doubled_s[pid]

        for pid in gone:
            if last[pid].parent not in gone or pid not in children[last[pid].parent]:
                sum_below_s(pid)
        return doubled_s

    def _find_heir(
        self, pid: int, last: dict[int, Process], seen: dict[int, Process]
    ) -> tuple[int | None, bool]:
        """Who got the time of one that has ended (None: nobody), and whether that is doubtful."""
        child, deep = last[pid], False
        while child.parent in last:
            parent = child.parent
            # A zombie that its parent could have, it can have only by waiting for it.
            was_deaf = parent in self._deaf and not child.zombie
            if parent not in seen:
                if was_deaf:
                    return None, self._can_adopt
                # It may have ended before its child, which then was an orphan.
                child, deep = last[parent], True
                continue
            if not child.zombie and was_deaf != ignores_children(parent):
                return parent, True
            if was_deaf:
                break
            # Of a zombie that is left, too, it may have been an orphan.
            return parent, (deep or seen[parent].zombie) and not self._surely_adopts
        return None, deep and self._can_adopt


def _read_all(pids: list[int], known: dict[int, Process]) -> dict[int, Process]:
    """Those who are there, without those that have got the number of one who has ended."""
    seen = {}
    for pid in pids:
        process = read_process(pid)
        if process is None or (pid in known and known[pid].created != process.created):
            continue
        seen[pid] = process
    return seen


def _parents(seen: dict[int, Process]) -> set[int]:
    return {process.parent for process in seen.values()} & seen.keys()


def _monotonic_s() -> float:
    return time.monotonic()
