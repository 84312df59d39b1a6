"""Numbers that cannot be, caught where a reading comes in.

A source may say -5 J, NaN, or a window that ends before it starts. Records refuse such values, and
copies of records do not look. What is refused here costs the number and nothing else: the domain
says why it has none, and the others keep theirs.
"""

from __future__ import annotations

import logging
from typing import TypeVar

from pydantic import ValidationError

from llenergymeasure.domain.base import Record, describe_refusal
from llenergymeasure.domain.energy import DomainReading, EnergyReading
from llenergymeasure.domain.validity import Reason, ReasonCode

# More than any GPU draws, whole modules (GH200) and the largest announced ones included.
MOST_GPU_W = 5_000.0

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)


def refuse_impossible(reading: EnergyReading) -> EnergyReading:
    """The reading without the numbers that its records would refuse to store."""
    if _refusal(reading) is None:
        return reading
    wrong_kg = reading.emissions_kg_co2
    whole = reading.model_copy(
        update={
            "domains": tuple(_settle(domain) for domain in reading.domains),
            "conditions": tuple(one for one in reading.conditions if _refusal(one) is None),
        }
    )
    if _refusal(whole) is not None:
        reason = f"{reading.backend} gave {wrong_kg!r} kg"
        whole = whole.model_copy(update={"emissions_kg_co2": None, "emissions_reason": reason})
    logger.warning("energy source %s gave a value that cannot be", reading.backend)
    return whole


def describe_error(error: Exception) -> str:
    """What a source raised, in one line; of a record that refused a value, which and why."""
    if isinstance(error, ValidationError):
        return f"it gave a value that cannot be: {describe_refusal(error)}"
    return f"{type(error).__name__}: {error}"


def _settle(domain: DomainReading) -> DomainReading:
    refusal = _refusal(domain)
    if refusal is None:
        return domain
    detail = f"the energy source gave a value that cannot be: {refusal}"
    return DomainReading(
        name=domain.name,
        scope=domain.scope,
        method=None,
        joules=None,
        device_id=domain.device_id,
        expected=domain.expected,
        reason=detail,
        findings=(
            *domain.findings,
            Reason(code=ReasonCode.IMPOSSIBLE_VALUE, detail=f"{domain.name}: {detail}"),
        ),
        source=domain.source,
        counted=domain.counted,
        instead_of=domain.instead_of,
    )


def _refusal(record: R) -> str | None:
    """What is wrong with a record that was copied with new values; None if nothing is."""
    try:
        type(record).model_validate(record.model_dump(warnings=False))
    except ValidationError as error:
        return describe_refusal(error)
    return None
