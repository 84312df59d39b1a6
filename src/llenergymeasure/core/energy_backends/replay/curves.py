"""Power curves whose integral is known exactly: closed forms, and a recording.

Times are seconds since the first window's start, power is W, energy is J.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, assert_never

from llenergymeasure.config.backend_configs import CurveSegment


class PowerCurve(Protocol):
    """Power over time, with the exact integral over any window that it covers."""

    def power_w(self, t_s: float) -> float:
        """Power at ``t_s``, in W."""
        ...

    def integral_j(self, start_s: float, end_s: float) -> float:
        """Energy between two times, in J."""
        ...

    def gap(self, start_s: float, end_s: float) -> str | None:
        """Why the curve does not cover that window; None if it does."""
        ...

    def describe(self) -> str:
        """The curve in words."""
        ...


class _Endless:
    """A curve that is defined for all times."""

    def gap(self, start_s: float, end_s: float) -> str | None:  # noqa: ARG002 - the protocol's
        return None


@dataclass(frozen=True)
class ConstantCurve(_Endless):
    """P(t) = level_w."""

    level_w: float

    def power_w(self, t_s: float) -> float:  # noqa: ARG002 - the protocol's
        return self.level_w

    def integral_j(self, start_s: float, end_s: float) -> float:
        return self.level_w * (end_s - start_s)

    def describe(self) -> str:
        return f"constant {self.level_w:g} W"


@dataclass(frozen=True)
class SquareCurve(_Endless):
    """High for the first ``duty`` of each period, low for the rest of it."""

    high_w: float
    low_w: float
    period_s: float
    duty: float

    def power_w(self, t_s: float) -> float:
        return self.high_w if t_s % self.period_s < self.duty * self.period_s else self.low_w

    def integral_j(self, start_s: float, end_s: float) -> float:
        high_s = self._high_s(end_s) - self._high_s(start_s)
        # Rounding may leave high_s a hair outside of the window.
        high_s = min(max(high_s, 0.0), end_s - start_s)
        return self.high_w * high_s + self.low_w * ((end_s - start_s) - high_s)

    def _high_s(self, t_s: float) -> float:
        """Time spent at the high level in [0, t]."""
        in_period_s = math.fmod(t_s, self.period_s)
        periods = round((t_s - in_period_s) / self.period_s)
        high_per_period_s = self.duty * self.period_s
        return periods * high_per_period_s + min(in_period_s, high_per_period_s)

    def describe(self) -> str:
        return (
            f"square wave {self.low_w:g} to {self.high_w:g} W, "
            f"period {self.period_s:g} s, duty {self.duty:g}"
        )


@dataclass(frozen=True)
class RampCurve(_Endless):
    """P(t) = base_w + slope_w_per_s * t."""

    base_w: float
    slope_w_per_s: float

    def power_w(self, t_s: float) -> float:
        return self.base_w + self.slope_w_per_s * t_s

    def integral_j(self, start_s: float, end_s: float) -> float:
        return self.power_w((start_s + end_s) / 2) * (end_s - start_s)

    def describe(self) -> str:
        return f"ramp from {self.base_w:g} W, {self.slope_w_per_s:g} W/s"


class RecordedCurve:
    """A recording, linear between its points.

    Args:
        times_s: Strictly increasing, two or more.
        powers_w: As many, none negative.
        source: Where it was recorded, for the description.
    """

    def __init__(self, times_s: Sequence[float], powers_w: Sequence[float], source: str) -> None:
        self._times_s = tuple(times_s)
        self._powers_w = tuple(powers_w)
        self._source = source

    def power_w(self, t_s: float) -> float:
        after = min(max(bisect_right(self._times_s, t_s), 1), len(self._times_s) - 1)
        t0, t1 = self._times_s[after - 1], self._times_s[after]
        p0, p1 = self._powers_w[after - 1], self._powers_w[after]
        share = (t_s - t0) / (t1 - t0)
        return p0 * (1 - share) + p1 * share

    def integral_j(self, start_s: float, end_s: float) -> float:
        first, last = bisect_right(self._times_s, start_s), bisect_right(self._times_s, end_s)
        points = [
            (start_s, self.power_w(start_s)),
            *zip(self._times_s[first:last], self._powers_w[first:last], strict=True),
            (end_s, self.power_w(end_s)),
        ]
        return math.fsum((p0 + p1) / 2 * (t1 - t0) for (t0, p0), (t1, p1) in pairwise(points))

    def gap(self, start_s: float, end_s: float) -> str | None:
        first_s, last_s = self._times_s[0], self._times_s[-1]
        if start_s >= first_s and end_s <= last_s:
            return None
        return (
            f"the window from {start_s:.3f} s to {end_s:.3f} s is not covered by the recording "
            f"{self._source}, which holds {first_s:g} s to {last_s:g} s"
        )

    def describe(self) -> str:
        return f"recording {self._source} ({len(self._times_s)} points)"


def make_curve(options: CurveSegment) -> PowerCurve:
    """The curve that a config's ``curve`` section describes."""
    match options.shape:
        case "constant":
            return ConstantCurve(options.power_w)
        case "square":
            return SquareCurve(options.power_w, options.low_w, options.period_s, options.duty)
        case "ramp":
            return RampCurve(options.power_w, options.slope_w_per_s)
        case _:
            assert_never(options.shape)
