"""Which of several sources a kind of domain (gpu, cpu, ram, ...) is read from: settled once.

The first source that has a kind owns it, also where a fault keeps it from a number: a source
further down must not make a lost GPU look like none. A source is passed over for a kind that it
says this machine does not have, or, where that is allowed, that this user may not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from llenergymeasure.domain.energy import DomainReading, EnergyReading, domain_kind
from llenergymeasure.domain.validity import Reason, ReasonCode


@dataclass(frozen=True)
class Claim:
    """What one source said of the kinds of domain that it reads, in a very short window.

    Attributes:
        source: Its name.
        reading: What it said.
        failed: It could not be set up, so that ``reading`` only says what it should have read.
    """

    source: str
    reading: EnergyReading
    failed: bool = False


@dataclass(frozen=True)
class Leniency:
    """What a source may be passed over for, beyond not finding the hardware.

    Attributes:
        unreadable: Counters that this user may not read.
        failed: It could not be set up.
    """

    unreadable: bool = False
    failed: bool = False


@dataclass(frozen=True)
class Ownership:
    """Who reads what.

    Attributes:
        owners: Source of each kind.
        absent: Kinds that no source has, and the one that says why.
        passed_over: For each kind, why sources before its owner do not read it.
    """

    owners: Mapping[str, str]
    absent: Mapping[str, str]
    passed_over: Mapping[str, tuple[Reason, ...]]

    def shown_by(self, kind: str) -> str | None:
        """The source whose domains of this kind stand in the reading."""
        return self.owners.get(kind) or self.absent.get(kind)


class _Standing(Enum):
    HAS_IT = auto()
    UNREADABLE = auto()
    FAILED = auto()
    ABSENT = auto()


def settle(claims: Sequence[Claim], leniency: Leniency) -> Ownership:
    """Give each kind its owner; the claims are in the order of preference."""
    owners: dict[str, str] = {}
    absent: dict[str, str] = {}
    passed_over: dict[str, tuple[Reason, ...]] = {}
    for kind in _kinds(claims):
        rivals = [(c, _of_kind(c.reading.domains, kind)) for c in claims]
        rivals = [(claim, domains) for claim, domains in rivals if domains]
        place = _place_of_owner([_standing(c, domains) for c, domains in rivals], leniency)
        if place is None:
            absent[kind] = rivals[0][0].source
            continue
        owners[kind] = rivals[place][0].source
        passed_over[kind] = tuple(_why(domains) for _, domains in rivals[:place])
    return Ownership(owners, absent, passed_over)


def _place_of_owner(standings: Sequence[_Standing], leniency: Leniency) -> int | None:
    """The first that has it; if nobody has, the first that should; None where nobody should."""
    pardoned = {_Standing.ABSENT}
    pardoned |= {_Standing.UNREADABLE} if leniency.unreadable else set()
    pardoned |= {_Standing.FAILED} if leniency.failed else set()
    for forgiven in (pardoned, {_Standing.ABSENT}):
        for place, standing in enumerate(standings):
            if standing not in forgiven:
                return place
    return None


def _standing(claim: Claim, domains: Sequence[DomainReading]) -> _Standing:
    if any(domain.joules is not None for domain in domains):
        return _Standing.HAS_IT
    if claim.failed:
        return _Standing.FAILED
    # What is only shown (psys) is nobody's loss.
    expected = [domain for domain in domains if domain.expected and domain.counted]
    if not expected:
        return _Standing.ABSENT
    forbidden = all(
        any(finding.code is ReasonCode.RAPL_UNREADABLE for finding in domain.findings)
        for domain in expected
    )
    return _Standing.UNREADABLE if forbidden else _Standing.HAS_IT


def _why(domains: Sequence[DomainReading]) -> Reason:
    """The first thing that a source which was passed over says."""
    for domain in domains:
        for finding in domain.findings:
            return finding
    detail = next((domain.reason for domain in domains if domain.reason), "it gave nothing")
    return Reason(code=ReasonCode.ENERGY_UNAVAILABLE, detail=detail)


def _kinds(claims: Iterable[Claim]) -> list[str]:
    names = (domain.name for claim in claims for domain in claim.reading.domains)
    return list(dict.fromkeys(map(domain_kind, names)))


def _of_kind(domains: Iterable[DomainReading], kind: str) -> list[DomainReading]:
    return [domain for domain in domains if domain_kind(domain.name) == kind]
