"""How short a window a source can measure: what its two edges leave open, as a share of it.

The start and the end of a window lie between two updates of the source. With T the time between
updates, P the mean power, dP its change around an edge and W the window, at most

    edge error = 2 T dP / (W P)

of the energy is put on the wrong side. dP = P is assumed: the load begins and ends at the edges,
as that of a measured run does. A window that opens at a step of the counter, and of which the tail
is taken off by power, leaves less open: how sharply the steps were seen, and one update of power,
in which a change of the tail can hide.
"""

from __future__ import annotations

from llenergymeasure.domain.base import NonNegative, Record
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, Evidence

EDGE_ERROR = 0.01
"""The share of the energy that the shortest window allows its edges."""


class Resolution(Record):
    """What a source resolves in time, by a reading of it. None where it was not seen.

    Attributes:
        update_ms: Time between two updates of what the joules come from.
        aligned: Whether windows open at a step of the counter.
        open_ms: Time that the two edges leave open, together.
        shortest_window_s: From this length on the edges cost at most ``EDGE_ERROR``.
    """

    update_ms: NonNegative | None = None
    aligned: bool = False
    open_ms: NonNegative | None = None
    shortest_window_s: NonNegative | None = None


def shortest_window_s(open_s: float, *, swing: float = 1.0, error: float = EDGE_ERROR) -> float:
    """The shortest window whose edges cost at most ``error`` of its energy, in s.

    Args:
        open_s: Time that the two edges leave open together: 2 T where nothing is aligned, in s.
        swing: dP / P, how much power changes at the edges; 1 where it begins and ends there.
        error: The share that is allowed.
    """
    return open_s * swing / error


def resolution_of(domain: DomainReading) -> Resolution:
    """What a domain's source resolves; all None for an estimate, which has no edges to miss."""
    evidence = domain.evidence
    if domain.joules is None or evidence is None or domain.method is EnergyMethod.ESTIMATED:
        return Resolution()
    counted = domain.method is EnergyMethod.COUNTER
    update_ms = evidence.counter_update_ms if counted else evidence.power_update_ms
    aligned = counted and evidence.tail_j is not None
    open_ms = _open_aligned_ms(domain, evidence) if aligned else _twice(update_ms)
    return Resolution(
        update_ms=update_ms,
        aligned=aligned,
        open_ms=open_ms,
        shortest_window_s=None if open_ms is None else shortest_window_s(open_ms / 1e3),
    )


def _twice(update_ms: float | None) -> float | None:
    return None if update_ms is None else 2 * update_ms


def _open_aligned_ms(domain: DomainReading, evidence: Evidence) -> float | None:
    """What the reading itself leaves open, as time at its mean power, and one update of power."""
    assert domain.joules is not None, "only asked of a reading with a number"
    update_ms = evidence.power_update_ms or evidence.counter_update_ms
    edge_j = domain.uncertainty.edge_j if domain.uncertainty else None
    if update_ms is None or edge_j is None or domain.window is None or domain.joules <= 0:
        return None
    mean_w = domain.joules / domain.window.duration_s
    return edge_j / mean_w * 1e3 + update_ms
