"""Idle power: what a device draws while nothing is asked of it, at a named level."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime

from llenergymeasure.domain.base import Count, NonNegative, Record
from llenergymeasure.domain.validity import Reason


class BaselineLevel(StrEnum):
    """What is resident on the device while it idles. A CUDA context alone adds 26 to 66 W."""

    BARE = "bare"
    CONTEXT = "context"
    LOADED = "loaded"


class BaselineMethod(StrEnum):
    """Where a baseline comes from; the last two have no number."""

    FRESH = "fresh"
    CACHED = "cached"
    NOT_APPLICABLE = "not_applicable"
    UNAVAILABLE = "unavailable"


class DomainBaseline(Record):
    """Idle power of one domain.

    Attributes:
        name, device_id, source: Of the domain (see ``DomainReading``).
        power_w: Mean idle power in W; None with ``reason``.
        spread_w: Standard deviation over the parts of the idle time, in W.
        uncertainty_w: Half-width of the mean's 95 % interval in W, without the sensor's gain; of
            a cached one also what it was off by when it was looked at again.
        duration_s: Length of the idle time.
        samples: Parts that it was divided into.
        measured_at: UTC.
        age_s: How old a cached one was when it was used.
        findings: What speaks against it.
    """

    name: str
    level: BaselineLevel
    method: BaselineMethod
    device_id: str | None = None
    source: str | None = None
    power_w: NonNegative | None = None
    spread_w: NonNegative | None = None
    uncertainty_w: NonNegative | None = None
    duration_s: NonNegative | None = None
    samples: Count = 0
    measured_at: AwareDatetime | None = None
    age_s: NonNegative | None = None
    reason: str | None = None
    findings: tuple[Reason, ...] = ()
