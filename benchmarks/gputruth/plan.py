"""How long each experiment takes: in full on a real GPU, in short to prove the script."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Lengths in s and counts.

    Attributes:
        updates_s: The tight loop.
        settle_s, idle_s, idle_parts: Waited for and measured at each level of the ladder, in so
            many windows.
        windows_s: The readers' windows.
        phases, phase_rounds, phase_s: Places in the counter's period, windows at each, and the
            length of one.
        duties, duty_s: Shares of time at work, and the length of a window.
        work_s, pairs: Length of the single work, and times that it is compared with the double.
        foreign_s: Length of the window that somebody else joins.
        lead_s: How long the load runs before a window opens.
    """

    updates_s: float = 10.0
    settle_s: float = 5.0
    idle_s: float = 20.0
    idle_parts: int = 5
    windows_s: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    phases: int = 8
    phase_rounds: int = 2
    phase_s: float = 5.0
    duties: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    duty_s: float = 10.0
    work_s: float = 5.0
    pairs: int = 4
    foreign_s: float = 20.0
    lead_s: float = 2.0


FULL = Plan()
QUICK = Plan(
    updates_s=1.2,
    settle_s=0.0,
    idle_s=0.6,
    idle_parts=3,
    windows_s=(0.5, 2.0),
    phases=6,
    phase_rounds=1,
    phase_s=0.5,
    duties=(0.1, 0.5, 0.9),
    duty_s=0.9,
    work_s=0.3,
    pairs=2,
    foreign_s=2.0,
    lead_s=0.0,
)
