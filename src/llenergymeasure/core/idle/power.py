"""From windows in which nothing was asked to an idle power, and what speaks against it. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from llenergymeasure.core.machine.load import contention_reason
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
)
from llenergymeasure.domain.environment import MachineLoad
from llenergymeasure.domain.statistics import half_width
from llenergymeasure.domain.validity import Reason, ReasonCode

# A stored power that is off by no more than the largest of these is still true.
SAME_WITHIN_SPREADS: Final = 3.0
SAME_WITHIN_SHARE: Final = 0.05
SAME_WITHIN_W: Final = 2.0
UNSTEADY_SHARE: Final = 0.1


@dataclass(frozen=True)
class IdlePower:
    """Power of one domain over some windows.

    Attributes:
        power_w: All joules over all time.
        spread_w: Sample standard deviation over the windows; 0 for a single one.
        duration_s: Of all windows.
        samples: How many windows.
    """

    power_w: float
    spread_w: float
    duration_s: float
    samples: int

    @property
    def uncertainty_w(self) -> float:
        """Half-width of the mean's 95 % interval (Student's t); 0 for a single window."""
        return half_width(self.spread_w, self.samples) if self.samples > 1 else 0.0


def why_not(domain: DomainReading, reading: EnergyReading) -> str | None:
    """Why an idle power of a domain would mean nothing; None if it would mean something."""
    if reading.replayed:
        return "replayed joules are not this machine's"
    if domain.method is EnergyMethod.ESTIMATED:
        return "its joules are estimated: a model has no idle power of its own"
    return None


def idle_power(domain: DomainReading, readings: Sequence[EnergyReading]) -> IdlePower | str:
    """The power of a domain over windows, or in words why there is none."""
    joules: list[float] = []
    seconds: list[float] = []
    for reading in readings:
        found = same_domain(domain, reading)
        if found is None:
            return "it was not read while it was idle"
        if found.joules is None:
            return found.reason or "it could not be read while it was idle"
        if why := why_not(found, reading):
            return why
        if found.window is None or found.window.duration_s <= 0:
            return f"energy source {reading.backend!r} does not say how long its window was"
        joules.append(found.joules)
        seconds.append(found.window.duration_s)
    powers = [j / s for j, s in zip(joules, seconds, strict=True)]
    return IdlePower(
        power_w=math.fsum(joules) / math.fsum(seconds),
        spread_w=statistics.stdev(powers) if len(powers) > 1 else 0.0,
        duration_s=math.fsum(seconds),
        samples=len(powers),
    )


def same_domain(domain: DomainReading, reading: EnergyReading) -> DomainReading | None:
    """The domain as another reading has it."""
    who = (domain.name, domain.device_id)
    return next((d for d in reading.domains if (d.name, d.device_id) == who), None)


def still_true(stored_w: float, spread_w: float, seen_w: float) -> bool:
    """Whether a stored idle power agrees with what a short look saw."""
    bound = max(SAME_WITHIN_SPREADS * spread_w, SAME_WITHIN_SHARE * stored_w, SAME_WITHIN_W)
    return abs(seen_w - stored_w) <= bound


def disturbances(
    domain: DomainReading, readings: Sequence[EnergyReading], load: MachineLoad
) -> Iterator[Reason]:
    """Who else was busy: such an idle power is that of somebody else's work too."""
    seen = [found for r in readings if (found := same_domain(domain, r)) is not None]
    codes = {finding.code for found in seen for finding in found.findings}
    if ReasonCode.FOREIGN_PROCESS in codes:
        yield _unsteady(f"another process computed on {domain.name} while its idle power was taken")
    busy = contention_reason(load) if domain.scope is EnergyScope.MACHINE else None
    if busy is not None and busy.code is ReasonCode.CPU_CONTENTION and load.during is not None:
        cores = load.during.other_cores or 0.0
        yield _unsteady(
            f"other processes kept {cores:.2f} cores busy while the idle power of {domain.name} "
            "was taken"
        )


def unsteadiness(name: str, power_w: float, spread_w: float) -> Iterator[Reason]:
    """The reason that a power which varies too much gives."""
    if power_w > 0 and spread_w > UNSTEADY_SHARE * power_w:
        yield _unsteady(
            f"idle power of {name} varied by {spread_w / power_w:.0%} "
            f"({power_w:.1f} W, standard deviation {spread_w:.1f} W)"
        )


def _unsteady(detail: str) -> Reason:
    return Reason(code=ReasonCode.BASELINE_UNSTEADY, detail=detail)
