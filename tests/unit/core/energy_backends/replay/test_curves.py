from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from llenergymeasure.config.backend_configs import CurveSegment
from llenergymeasure.core.energy_backends.replay.curves import (
    ConstantCurve,
    PowerCurve,
    RampCurve,
    RecordedCurve,
    SquareCurve,
    make_curve,
)

watts = st.floats(0, 1e4)
times = st.floats(0, 1e4)


@st.composite
def recordings(draw: st.DrawFn) -> RecordedCurve:
    steps = draw(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
    points = np.concatenate([[0.0], np.cumsum(steps)]).tolist()
    powers = draw(st.lists(watts, min_size=len(points), max_size=len(points)))
    return RecordedCurve(points, powers, "test")


closed_forms = st.one_of(
    st.builds(ConstantCurve, watts),
    st.builds(RampCurve, watts, st.floats(0, 10)),
    st.builds(SquareCurve, watts, watts, st.floats(1e-2, 100), st.floats(0, 1)),
)


@given(curve=st.one_of(closed_forms, recordings()), cuts=st.lists(times, min_size=2, max_size=12))
def test_splitting_a_window_never_changes_the_total(curve: PowerCurve, cuts: list[float]) -> None:
    cuts = sorted(cuts)
    if curve.gap(cuts[0], cuts[-1]):
        end = cuts[-1] or 1.0
        cuts = [cut / end * curve._times_s[-1] * 0.999 for cut in cuts]  # type: ignore[attr-defined]
    whole = curve.integral_j(cuts[0], cuts[-1])
    parts = [curve.integral_j(a, b) for a, b in pairwise(cuts)]

    assert all(part >= 0 for part in parts)
    # Times of 1e4 s and 1e4 W: 1e8 J, of which doubles keep 16 digits.
    assert sum(parts) == pytest.approx(whole, rel=1e-9, abs=1e-5)


def switches(curve: PowerCurve, start_s: float, end_s: float) -> list[Fraction]:
    """The window's ends, and every time within at which a square wave changes; exactly."""
    ends = [Fraction(start_s), Fraction(end_s)]
    if not isinstance(curve, SquareCurve):
        return ends
    period = Fraction(curve.period_s)
    first, last = ends[0] // period, ends[1] // period
    times = [
        period * (number + part)
        for number in range(first, last + 1)
        for part in (Fraction(0), Fraction(curve.duty))
    ]
    return sorted({*ends, *(time for time in times if ends[0] < time < ends[1])})


def power_at(curve: PowerCurve, time: Fraction) -> float:
    """As ``power_w``, of a square wave by its definition: a pulse may be too short for doubles."""
    if not isinstance(curve, SquareCurve):
        return curve.power_w(float(time))
    phase = time / Fraction(curve.period_s) % 1
    return curve.high_w if phase < Fraction(curve.duty) else curve.low_w


@example(SquareCurve(high_w=0.0, low_w=1.0, period_s=9.0, duty=1.192092896e-07), 0.0, 1.0)
@example(SquareCurve(0.0, 1.0, 0.01, 0.001953125), 0.0, 1.0)
@given(curve=closed_forms, start_s=st.floats(0, 50), length_s=st.floats(0.1, 20))
def test_the_integral_is_that_of_the_power(
    curve: PowerCurve, start_s: float, length_s: float
) -> None:
    end_s = start_s + length_s
    # Between two switches power is a straight line, so its middle is its mean.
    exact_j = math.fsum(
        power_at(curve, (a + b) / 2) * float(b - a)
        for a, b in pairwise(switches(curve, start_s, end_s))
    )
    assert curve.integral_j(start_s, end_s) == pytest.approx(exact_j, rel=1e-9, abs=1e-6)


@given(curve=closed_forms, time_s=st.floats(0, 50))
def test_power_is_that_of_the_definition(curve: PowerCurve, time_s: float) -> None:
    if isinstance(curve, SquareCurve):
        # Close to a switch, rounding decides.
        phase = Fraction(time_s) / Fraction(curve.period_s) % 1
        edges = (Fraction(0), Fraction(curve.duty), Fraction(1))
        assume(min(abs(phase - edge) for edge in edges) > Fraction(1, 10**9))
    assert curve.power_w(time_s) == power_at(curve, Fraction(time_s))


@given(curve=recordings(), data=st.data())
def test_a_recording_is_integrated_exactly(curve: RecordedCurve, data: st.DataObject) -> None:
    last_s = curve._times_s[-1]
    a, b = sorted(data.draw(st.tuples(st.floats(0, last_s), st.floats(0, last_s))))
    # Trapezoids over the curve's own corners and the window's ends are exact.
    grid = np.unique(np.array([a, *[t for t in curve._times_s if a < t < b], b]))
    exact_j = float(np.trapezoid(np.interp(grid, curve._times_s, curve._powers_w), grid))

    assert curve.gap(a, b) is None
    assert curve.integral_j(a, b) == pytest.approx(exact_j, rel=1e-9, abs=1e-6)


def test_known_values() -> None:
    assert ConstantCurve(100).integral_j(2, 5) == 300
    assert RampCurve(10, 2).integral_j(0, 10) == 10 * 10 + 2 * 50
    square = SquareCurve(high_w=200, low_w=50, period_s=1, duty=0.25)
    assert square.integral_j(0, 1) == pytest.approx(200 * 0.25 + 50 * 0.75)
    assert square.integral_j(0.25, 1) == pytest.approx(50 * 0.75)
    assert square.integral_j(0.125, 0.25) == pytest.approx(25)
    assert square.integral_j(0, 10_000) == pytest.approx(10_000 * 87.5)


@pytest.mark.parametrize("duty", [0.0, 1.0])
def test_a_square_wave_may_stay_at_one_level(duty: float) -> None:
    square = SquareCurve(high_w=200, low_w=50, period_s=1, duty=duty)
    assert square.integral_j(0.3, 2.8) == pytest.approx(2.5 * (200 if duty else 50))


def test_a_recording_says_what_it_does_not_cover() -> None:
    curve = RecordedCurve([1.0, 2.0, 4.0], [10.0, 20.0, 0.0], "power.csv")

    assert curve.gap(1.0, 4.0) is None
    assert curve.integral_j(1.0, 4.0) == pytest.approx(15 + 20)
    assert curve.integral_j(1.5, 3.0) == pytest.approx(0.5 * 17.5 + 15)
    for start_s, end_s in ((0.5, 2.0), (3.0, 4.001)):
        gap = curve.gap(start_s, end_s)
        assert gap is not None
        assert "power.csv" in gap
        assert "1 s to 4 s" in gap


@pytest.mark.parametrize(
    ("options", "curve"),
    [
        ({"shape": "constant", "power_w": 7.0}, ConstantCurve(7)),
        ({"shape": "ramp", "power_w": 7.0, "slope_w_per_s": 2.0}, RampCurve(7, 2)),
        (
            {"shape": "square", "power_w": 9.0, "low_w": 1.0, "period_s": 2.0, "duty": 0.1},
            SquareCurve(9, 1, 2, 0.1),
        ),
    ],
)
def test_options_describe_a_curve(options: dict[str, object], curve: PowerCurve) -> None:
    made = make_curve(CurveSegment.model_validate(options))
    assert made == curve
    assert made.describe()
