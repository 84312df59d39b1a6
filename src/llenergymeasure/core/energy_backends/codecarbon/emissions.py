"""Emissions of a window, or why there are none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from llenergymeasure.domain.energy import DomainReading


def emissions(
    data: Any, domains: Iterable[DomainReading], country_iso_code: str | None
) -> tuple[float | None, str | None]:
    """Emissions in kg of CO2-equivalent and None, or None and the reason.

    Args:
        data: CodeCarbon's ``EmissionsData`` of the window; None if there is none.
        domains: What was made of it; emissions follow from all of them.
        country_iso_code: Of the grid, as the user gave it.
    """
    reason = _reason(data, domains, country_iso_code)
    if reason is not None:
        return None, reason
    kg_co2 = data.emissions
    if not isinstance(kg_co2, int | float) or not math.isfinite(kg_co2) or kg_co2 < 0:
        return None, f"CodeCarbon gave {kg_co2!r} kg"
    return float(kg_co2), None


def _reason(
    data: Any, domains: Iterable[DomainReading], country_iso_code: str | None
) -> str | None:
    if country_iso_code is None:
        return "no country given: set energy.codecarbon.country_iso_code (such as DEU, FRA, USA)"
    lost = [domain.name for domain in domains if domain.expected and domain.joules is None]
    if data is None or lost:
        return f"the energy is incomplete: no joules of {', '.join(lost)}"
    # CodeCarbon says it by silence, and falls back on the world's average.
    if not data.country_name:
        return f"CodeCarbon knows no country {country_iso_code!r}: use a three-letter ISO code"
    return None
