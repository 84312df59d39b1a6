"""Spread over repeated cycles."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llenergymeasure.domain.base import NonNegative, Ordinal, Record


class CycleStats(Record):
    """Spread of one quantity over n cycles.

    Attributes:
        mean: Arithmetic mean.
        std: Sample standard deviation (n - 1); None for n < 2.
        ci95: Lower and upper end of the 95 % Student-t interval of the mean; None for n < 2.
        cv: std / mean; None where std is None or the mean is 0.
        n: Cycles with a value.
    """

    mean: float
    std: NonNegative | None
    ci95: tuple[float, float] | None
    cv: float | None
    n: Ordinal


def cycle_stats(values: Sequence[float | None]) -> CycleStats | None:
    """Summarise the cycles that have a value; None if none has."""
    known = [v for v in values if v is not None]
    n = len(known)
    if n == 0:
        return None
    mean = math.fsum(known) / n
    if n == 1:
        return CycleStats(mean=mean, std=None, ci95=None, cv=None, n=1)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (n - 1))
    half = half_width(std, n)
    return CycleStats(
        mean=mean,
        std=std,
        ci95=(mean - half, mean + half),
        cv=std / mean if mean else None,
        n=n,
    )


def half_width(std: float, n: int) -> float:
    """Of the 95 % interval of a mean of n >= 2 values (Student's t).

    Args:
        std: Their sample standard deviation.
        n: How many there are.
    """
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.975)) * std / math.sqrt(n)
