"""Readings that stop short: one process reads the machine, or a shared GPU, for others as well.

process 0   |  reads and works  |
process 1          |       works          |      its end is in no reading
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llenergymeasure.domain.energy import DomainReading
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.results.sums.domains import Place, pick_counted_places, place

# As much as the edges of the shortest window that is not warned of may cost.
UNCOVERED_SHARE: Final = 0.01


def find_uncovered(raws: Sequence[RawProcessResult]) -> Iterator[str]:
    """What was not read all the while that processes of one cycle worked there, in words."""
    names: dict[str, list[str]] = {}
    for places in pick_counted_places({raws[0].cycle: raws}).values():
        for where, domain in places.items():
            words = _describe_uncovered(domain, [raw for raw in raws if _works_at(raw, where)])
            if words is not None:
                names.setdefault(words, []).append(domain.name)
    yield from (f"{', '.join(of_words)}: {words}" for words, of_words in names.items())


def _describe_uncovered(domain: DomainReading, workers: Sequence[RawProcessResult]) -> str | None:
    window = domain.window
    if domain.joules is None or not domain.counted or window is None or len(workers) < 2:
        return None
    start_ns = min(raw.window.start_monotonic_ns for raw in workers)
    end_ns = max(raw.window.end_monotonic_ns for raw in workers)
    before_ns = max(window.start_monotonic_ns - start_ns, 0)
    after_ns = max(end_ns - window.end_monotonic_ns, 0)
    if before_ns + after_ns <= UNCOVERED_SHARE * (end_ns - start_ns):
        return None
    return (
        f"read for {window.duration_s:.1f} s, while {len(workers)} processes worked there for "
        f"{(end_ns - start_ns) / 1e9:.1f} s"
    )


def _works_at(raw: RawProcessResult, where: Place) -> bool:
    """Whether a process used what was read: all of a host use the machine."""
    if where[0] == "machine":
        return raw.environment.machine == where[1]
    return any(place(domain, raw) == where for domain in raw.energy.domains)
