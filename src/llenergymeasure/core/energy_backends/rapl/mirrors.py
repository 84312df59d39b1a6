"""Watching the counters closely for a moment: how often they step, and whether two are one.

AMD's Zen 1 and 2 show a package for each die, and every die mirrors the socket's counter. Such
counters show the same value at the same time; two sockets' never do for long.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llenergymeasure.core.energy_backends.rapl.powercap import read_uj
from llenergymeasure.core.energy_backends.rapl.zones import RaplDomain
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock

WATCH_NS = 20_000_000
"""Twenty times the usual millisecond between two steps of a counter."""

# A tree that stands still for this long between two of our reads is compared while it does.
_TRIES = 10
_PAUSE_S = 0.002

_TOPOLOGY = Path("/sys/devices/system/cpu")


@dataclass
class Watched:
    """What a counter showed, read again and again."""

    times_ns: list[int] = field(default_factory=list)
    values_uj: list[int] = field(default_factory=list)

    def update_ns(self) -> int | None:
        """The usual time between two steps; None with fewer than three of them."""
        moves = zip(self.times_ns[1:], itertools.pairwise(self.values_uj), strict=True)
        steps = [at_ns for at_ns, (before, after) in moves if before != after]
        if len(steps) < 3:
            return None
        gaps = (later - earlier for earlier, later in itertools.pairwise(steps))
        return round(statistics.median(gaps))

    def power_w(self) -> float:
        """Mean power meanwhile, in W; 0 where it fell or stood still."""
        if len(self.times_ns) < 2:
            return 0.0
        rise_uj = self.values_uj[-1] - self.values_uj[0]
        return max(rise_uj / (self.times_ns[-1] - self.times_ns[0]) * 1e3, 0.0)

    def largest_step_uj(self) -> int:
        """How far it moved from one read to the next, at most."""
        moves = itertools.pairwise(self.values_uj)
        return max((abs(after - before) for before, after in moves), default=0)


@dataclass(frozen=True)
class Suspicion:
    """Two counters that may be one.

    Attributes:
        mirror: The one that would be left out.
        original: The one that it would repeat.
        tolerance_uj: How far they may be apart: a step that one has taken and the other not yet.
    """

    mirror: RaplDomain
    original: RaplDomain
    tolerance_uj: int

    def holds(self, step_uj: int = 0) -> bool | None:
        """Whether they still show the same; None if one of them cannot be read.

        Args:
            step_uj: What a step of theirs came to meanwhile.
        """
        tolerance_uj = max(self.tolerance_uj, step_uj)
        try:
            for place in range(_TRIES):
                if place:
                    time.sleep(_PAUSE_S)
                if self._same(tolerance_uj):
                    return True
        except (OSError, ValueError):
            return None
        return False

    def _same(self, tolerance_uj: int) -> bool:
        before_uj = read_uj(self.original.file)
        mirror_uj = read_uj(self.mirror.file)
        after_uj = read_uj(self.original.file)
        return before_uj - tolerance_uj <= mirror_uj <= after_uj + tolerance_uj


def watch(
    domains: Sequence[RaplDomain], clock: MonotonicClock, for_ns: int = WATCH_NS
) -> dict[str, Watched]:
    """Read all counters in turn, as fast as possible; those that cannot be read are left out."""
    watched = {domain.name: Watched() for domain in domains}
    end_ns = clock() + for_ns
    while watched and clock() < end_ns:
        for domain in domains:
            if domain.name in watched:
                _look(domain, watched, clock)
    return watched


def suspicions(
    domains: Sequence[RaplDomain], watched: dict[str, Watched], sockets: int | None
) -> list[Suspicion]:
    """Packages that showed the same as an earlier one all the while.

    Args:
        domains: All of them.
        watched: What they showed.
        sockets: Processors of the machine; None where that is not known.
    """
    packages = [d for d in domains if d.kind == "cpu" and d.name in watched]
    told_apart = sockets is not None and len({d.socket for d in packages}) <= sockets
    found: dict[str, Suspicion] = {}
    for place, mirror in enumerate(packages):
        for original in packages[:place]:
            if original.name in found or (told_apart and original.socket != mirror.socket):
                continue
            tolerance_uj = watched[original.name].largest_step_uj()
            if _alike(watched[original.name], watched[mirror.name], tolerance_uj):
                found[mirror.name] = Suspicion(mirror, original, tolerance_uj)
                break
    return list(found.values())


def sockets_of_this_machine(topology: Path = _TOPOLOGY) -> int | None:
    """How many processors the kernel tells of; None if it does not."""
    ids = set()
    for file in topology.glob("cpu[0-9]*/topology/physical_package_id"):
        try:
            ids.add(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):
            return None
    return len(ids) or None


def _look(domain: RaplDomain, watched: dict[str, Watched], clock: MonotonicClock) -> None:
    seen = watched[domain.name]
    try:
        seen.values_uj.append(read_uj(domain.file))
        seen.times_ns.append(clock())
    except (OSError, ValueError):
        del watched[domain.name]


def _alike(original: Watched, mirror: Watched, tolerance_uj: int) -> bool:
    """Whether each value of the one lies between two of the other, read before and after it."""
    after = [*original.values_uj[1:], original.values_uj[-1]]
    rounds = zip(original.values_uj, mirror.values_uj, after, strict=False)
    return all(
        before - tolerance_uj <= value <= later + tolerance_uj
        for before, value, later in rounds
        # A wrap among the three says nothing.
        if before <= later
    )
