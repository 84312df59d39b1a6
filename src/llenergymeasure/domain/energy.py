"""What an energy source says of one window, and how readings add up.

Missing is None, never 0 J. A domain that should have been read and was not makes the total
None: losing a sensor must not make a run look better.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, model_validator

from llenergymeasure.domain.base import Count, NonNegative, Record, Share
from llenergymeasure.domain.brief import Brief, tell_joules
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.validity import Reason

_NUMBER = re.compile(r":[0-9]+$", re.ASCII)


class EnergyMethod(StrEnum):
    """How joules came about."""

    COUNTER = "counter"
    INTEGRATED = "integrated"
    ESTIMATED = "estimated"


class EnergyScope(StrEnum):
    """What a reading covers.

    Attributes:
        DEVICE: One device, counted once; devices are summed.
        MACHINE: All that the host does, idle power included; counted once a host.
        PROCESS: What the measured processes of one host caused, and nothing of what idles; summed
            over those who read it.
    """

    DEVICE = "device"
    MACHINE = "machine"
    PROCESS = "process"


class MeasurementWindow(Record):
    """The time between the two reads of a source. Times are CLOCK_MONOTONIC."""

    start_monotonic_ns: Count
    end_monotonic_ns: Count
    start_utc: AwareDatetime
    duration_s: NonNegative

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.end_monotonic_ns < self.start_monotonic_ns:
            raise ValueError("the window ends before it starts")
        return self

    @classmethod
    def between(cls, start_ns: int, end_ns: int, start_utc: datetime) -> MeasurementWindow:
        """The window from one monotonic time to another."""
        return cls(
            start_monotonic_ns=start_ns,
            end_monotonic_ns=end_ns,
            start_utc=start_utc,
            duration_s=(end_ns - start_ns) / 1e9,
        )


class Uncertainty(Record):
    """The parts of a joule's interval, in J. None where a part does not apply or is not known.

    Attributes:
        edge_j: The window's start and end lie between two updates of the source.
        sampling_j: Changes of power between two readings.
        gain_j: The sensor as a whole, by class of device; ``gain_origin`` says from where.
        model_j: How far a model's estimate can be off; ``model_origin`` says from where.
    """

    edge_j: NonNegative | None = None
    sampling_j: NonNegative | None = None
    gain_j: NonNegative | None = None
    gain_origin: str | None = None
    model_j: NonNegative | None = None
    model_origin: str | None = None


class CrossCheck(Record):
    """The same domain by another source over nearly the same window; never counted.

    Attributes:
        source: Name of the energy backend.
        joules: J, or None with ``reason``.
        disagreement: (joules - value) / value; None without two numbers.
        covers: Names of the domains whose sum ``joules`` is, where the source does not tell them
            apart; the value is then their sum too. Empty: this domain alone.
    """

    source: str
    joules: NonNegative | None
    disagreement: float | None = None
    reason: str | None = None
    covers: tuple[str, ...] = ()


class Evidence(Record):
    """What a measured number rests on.

    Attributes:
        counter_update_ms: How often the counter steps, as seen; None if it was not seen.
        power_source: Where power was read.
        power_update_ms: How often that is updated, as seen; None if it was not seen.
        samples: Readings of power within the window.
        missed: Readings that failed.
        longest_gap_s: Longest time without a reading.
        witness_j: The same window by another way (power integrated, beside a counter), in J.
        witness_uncertainty_j: What its sampling leaves open.
        disagreement: (witness - value) / value.
        tail_j: Taken off between the window's end and the counter's next step.
        wraps: Times that the counter wrapped within the window; None for one that does not wrap.
        cross_checks: What other sources say of the same domain.
    """

    counter_update_ms: NonNegative | None = None
    power_source: str | None = None
    power_update_ms: NonNegative | None = None
    samples: Count = 0
    missed: Count = 0
    longest_gap_s: NonNegative | None = None
    witness_j: NonNegative | None = None
    witness_uncertainty_j: NonNegative | None = None
    disagreement: float | None = None
    tail_j: float | None = None
    wraps: Count | None = None
    cross_checks: tuple[CrossCheck, ...] = ()


class DomainReading(Brief, Record):
    """Joules of one domain over one window.

    Attributes:
        name: ``gpu``, ``cpu``, ``ram`` or a finer name such as ``gpu:0``.
        scope: One device, the machine, or the measured processes.
        method: None when there is no number.
        joules: J over the window, or None with a reason.
        uncertainty_j: Half-width of the 95 % interval in J; None where it is not known.
        origin: The sensor or model that the number comes from, in words.
        device_id: Which device, where scope is device (a GPU's UUID).
        expected: False for a domain that this machine does not have; it does not void a total.
        reason: Why ``joules`` is None.
        uncertainty: The parts of ``uncertainty_j``.
        evidence: What the number rests on.
        findings: What speaks against the number, or why there is none, as codes.
        source: Name of the energy backend that read it.
        counted: False for a domain that contains others (psys holds the packages): it is shown
            and never added up.
        instead_of: Why better sources that were asked first could not read it here. They speak
            for another source, not against this number.
    """

    name: str
    scope: EnergyScope
    method: EnergyMethod | None
    joules: NonNegative | None
    uncertainty_j: NonNegative | None = None
    origin: str | None = None
    device_id: str | None = None
    expected: bool = True
    reason: str | None = None
    window: MeasurementWindow | None = None
    uncertainty: Uncertainty | None = None
    evidence: Evidence | None = None
    findings: tuple[Reason, ...] = ()
    source: str | None = None
    counted: bool = True
    instead_of: tuple[Reason, ...] = ()

    def tell(self, *, replayed: bool = False) -> str:
        """Its joules in words, or why there are none."""
        if self.joules is None:
            return f"none ({self.reason or 'not known'})"
        origin = "replayed" if replayed else self.method
        return tell_joules(self.joules, self.uncertainty_j, origin)

    def _brief(self) -> dict[str, str]:
        return {self.name: self.tell(), "scope": self.scope, "origin": self.origin or "not known"}


def domain_kind(name: str) -> str:
    """What a domain is of, without its number: ``gpu`` for ``gpu:0``."""
    return _NUMBER.sub("", name)


class EnergyReading(Brief, Record):
    """All domains of one source over one window.

    Attributes:
        backend: Name of the energy backend.
        version: Version of the library behind it; None if it has none.
        replayed: True when the joules are a recording's or a formula's, not this machine's.
        emissions_kg_co2: kg of CO2-equivalent, or None with ``emissions_reason``.
        conditions: How the devices fared meanwhile, where the source watches them.
    """

    backend: str
    version: str | None = None
    domains: tuple[DomainReading, ...] = ()
    replayed: bool = False
    emissions_kg_co2: NonNegative | None = None
    emissions_reason: str | None = None
    conditions: tuple[DeviceConditions, ...] = ()

    def _brief(self) -> dict[str, str]:
        told = {"backend": f"{self.backend}{' (replayed)' if self.replayed else ''}"}
        return told | {domain.name: domain.tell(replayed=self.replayed) for domain in self.domains}


class EnergyTotals(Record):
    """The sums over domains, in J.

    Attributes:
        total_j: The headline: measured domains if there are any, else the estimated ones.
            None when an expected domain has no number.
        partial_j: What could be summed of the headline's kind, even if the total is None.
        estimated_j: Sum of the estimated domains; None if there is none.
        measured_share: measured / (measured + estimated), in [0, 1]; None without numbers.
        missing: Names of expected domains without a number.
    """

    total_j: NonNegative | None
    partial_j: NonNegative | None
    estimated_j: NonNegative | None
    measured_share: Share | None
    missing: tuple[str, ...] = ()


def _sum_or_none(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return sum(numbers) if numbers else None


def total_energy(domains: Iterable[DomainReading]) -> EnergyTotals:
    """Add up domains, fail-closed (see ``EnergyTotals``)."""
    domains = [domain for domain in domains if domain.counted]
    known = [(d.method, d.joules) for d in domains if d.joules is not None]
    estimated = _sum_or_none(j for method, j in known if method is EnergyMethod.ESTIMATED)
    measured = _sum_or_none(j for method, j in known if method is not EnergyMethod.ESTIMATED)
    missing = tuple(d.name for d in domains if d.expected and d.joules is None)
    headline = measured if measured is not None else estimated
    both = (measured or 0.0) + (estimated or 0.0)
    share = None if headline is None or both == 0 else (measured or 0.0) / both
    return EnergyTotals(
        total_j=None if missing else headline,
        partial_j=headline,
        estimated_j=estimated,
        measured_share=share,
        missing=missing,
    )
