"""Readings that stop short: one process reads the machine, or a shared GPU, for others as well.

process 0   |  reads and works  |
process 1          |       works          |      its end is in no reading
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from llenergymeasure.domain.energy import DomainReading, EnergyScope
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.results.sums.domains import Place, pick_counted_places, place

# As much as the edges of the shortest window that is not warned of may cost.
UNCOVERED_SHARE: Final = 0.01


def void_uncovered(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
    counted: Mapping[int, Mapping[Place, DomainReading]],
) -> dict[int, dict[Place, DomainReading]]:
    """What counts, without the numbers of domains that were not read for all of the work.

    Args:
        by_cycle: The results of each cycle.
        counted: What counts in each cycle (see ``pick_counted_places``).
    """
    return {
        cycle: {
            where: _void(domain, _describe_uncovered(domain, by_cycle[cycle], where))
            for where, domain in places.items()
        }
        for cycle, places in counted.items()
    }


def find_uncovered(raws: Sequence[RawProcessResult]) -> Iterator[str]:
    """What was not read all the while that processes of one cycle worked there, in words."""
    names: dict[str, list[str]] = {}
    for places in pick_counted_places({raws[0].cycle: raws}).values():
        for where, domain in places.items():
            words = _describe_uncovered(domain, raws, where)
            if words is not None:
                names.setdefault(words, []).append(domain.name)
    yield from (f"{', '.join(of_words)}: {words}" for words, of_words in names.items())


def find_absent(raws: Sequence[RawProcessResult]) -> str | None:
    """Which processes of one cycle left no result, in words."""
    expected = max(raw.process_count for raw in raws)
    lost = sorted(set(range(expected)) - {raw.process_index for raw in raws})
    return f"no result of process {', '.join(map(str, lost))} of {expected}" if lost else None


def _void(domain: DomainReading, reason: str | None) -> DomainReading:
    if reason is None:
        return domain
    lost = {"method": None, "joules": None, "uncertainty_j": None, "uncertainty": None}
    return domain.model_copy(update={**lost, "expected": True, "reason": reason})


def _describe_uncovered(
    domain: DomainReading, raws: Sequence[RawProcessResult], where: Place
) -> str | None:
    workers = [raw for raw in raws if _works_at(raw, where)]
    if domain.joules is None or not domain.counted or not workers:
        return None
    # A source that does not tell its window has that of the process which read it.
    readers = (raw for raw in workers if any(d is domain for d in raw.energy.domains))
    reader = next(readers, None)
    window = domain.window or (reader.window if reader is not None else None)
    if window is None:
        return None
    start_ns = min(raw.window.start_monotonic_ns for raw in workers)
    end_ns = max(raw.window.end_monotonic_ns for raw in workers)
    before_ns = max(window.start_monotonic_ns - start_ns, 0)
    after_ns = max(end_ns - window.end_monotonic_ns, 0)
    if before_ns + after_ns <= UNCOVERED_SHARE * (end_ns - start_ns):
        return None
    whole_s = (end_ns - start_ns) / 1e9
    if len(workers) == 1:
        return f"read for {window.duration_s:.1f} s of the {whole_s:.1f} s that the work took"
    return (
        f"read for {window.duration_s:.1f} s, while {len(workers)} processes worked there for "
        f"{whole_s:.1f} s"
    )


def _works_at(raw: RawProcessResult, where: Place) -> bool:
    """Whether a process used what was read: all of a host use the machine.

    Who reads nothing of its own counts on the one that reads the processes of its host.
    """
    if where[0] == "machine":
        return raw.environment.machine == where[1]
    if where[0] == "tree" and not any(
        domain.scope is EnergyScope.PROCESS for domain in raw.energy.domains
    ):
        return raw.environment.machine == where[1]
    return any(place(domain, raw) == where for domain in raw.energy.domains)
