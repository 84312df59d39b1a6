"""How a running experiment is followed: what is told, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        phase: ``starting``, ``preparing the device``, ``idle baseline``, ``loading``,
            ``preparing the energy source``, ``warm-up``, ``measuring``, ``saving``,
            ``aggregating``.
        cycle: The cycle that is being measured, from 1; None outside of one.
        planned_cycles: Cycles that the experiment has in all.
        requests_done: Requests answered in this cycle.
        requests_total: Requests of one cycle.
        output_tokens: Tokens generated in this cycle so far.
        phase_elapsed_s: Seconds since the phase began.
    """

    phase: str
    cycle: int | None = None
    planned_cycles: int = 1
    requests_done: int = 0
    requests_total: int = 0
    output_tokens: int = 0
    phase_elapsed_s: float = 0.0

    @property
    def output_tokens_per_s(self) -> float | None:
        """Live rate while measuring; None before anything is known."""
        if self.phase != "measuring" or not self.output_tokens or self.phase_elapsed_s <= 0:
            return None
        return self.output_tokens / self.phase_elapsed_s


class ProgressObserver(Protocol):
    """Who is told. Calls come from the thread that waits for the run."""

    def started(self, experiment_id: str, log_file: str) -> None:
        """The experiment has an id."""
        ...

    def progress(self, progress: Progress) -> None:
        """Something moved, or time passed."""
        ...

    def notice(self, message: str) -> None:
        """Something worth telling a person."""
        ...


class SilentObserver:
    """Tells nobody."""

    def started(self, experiment_id: str, log_file: str) -> None:
        """Ignore it."""

    def progress(self, progress: Progress) -> None:
        """Ignore it."""

    def notice(self, message: str) -> None:
        """Ignore it."""
