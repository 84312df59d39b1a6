from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.cli.display.text import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (math.nan, "\N{EN DASH}"),
        (math.inf, "\N{EN DASH}"),
        (0.0, "0"),
        (7, "7"),
        (1234567, "1,234,567"),
        (1.23456, "1.235"),
        (12.3456, "12.35"),
        (99.996, "100.0"),
        (9.9999, "10.00"),
        (12345.678, "12,346"),
        (0.000123456, "0.0001235"),
        (-1.5, "-1.500"),
        (1.5e-9, "1.500e-09"),
    ],
)
def test_significant(value: float | None, text: str) -> None:
    assert numbers.significant(value) == text


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_what_is_shown_is_within_half_a_unit_of_the_fourth_digit(value: float) -> None:
    shown = float(numbers.significant(value).replace(",", ""))
    assert shown == pytest.approx(value, rel=5.01e-4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.0, "0 J"),
        (1234.5, "1,234 J"),
        (12345.0, "12.35 kJ"),
        (2.5e7, "25.00 MJ"),
        (0.25, "0.2500 J"),
        (0.0123, "12.30 mJ"),
        (3.2e-6, "3.200 µJ"),
    ],
)
def test_joules(value: float | None, text: str) -> None:
    assert numbers.joules(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.1234, "123.4 ms"),
        (12.345, "12.35 s"),
        (119.0, "119.0 s"),
        (125.4, "2 min 05 s"),
        (7200 + 120, "2 h 02 min"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    assert numbers.seconds(value) == text


def test_a_long_latency_is_told_in_seconds() -> None:
    assert numbers.milliseconds(12_345.0) == "12.35 s"
    assert numbers.milliseconds(999.94) == "999.9 ms"


def test_a_dash_tells_its_reason_and_a_number_does_not() -> None:
    assert numbers.or_reason("\N{EN DASH}", "no sensor") == "\N{EN DASH}  (no sensor)"
    assert numbers.or_reason("\N{EN DASH}", None) == "\N{EN DASH}"
    assert numbers.or_reason("3 J", "no sensor") == "3 J"


def test_shares_and_sizes() -> None:
    assert numbers.percent(0.256) == "25.6 %"
    assert numbers.percent(None) == "\N{EN DASH}"
    assert numbers.gibibytes(3 * 2**30) == "3.00 GiB"


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (36.7012, 16.712, "37 ± 17"),
        (1269.04, 735.6, "1,270 ± 740"),
        (53.36, 124.8, "50 ± 120"),
        (0.82647, 0.00312, "0.8265 ± 0.0031"),
        (12.0, 0.0996, "12.00 ± 0.10"),
        (-1.0, 25.0, "-1 ± 25"),
        (12.3456, 0.0, "12.35"),
    ],
)
def test_an_uncertain_number_has_no_digit_too_many(value: float, half: float, text: str) -> None:
    assert numbers.plus_minus(value, half) == text


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_rounding_stays_within_a_tenth_of_the_uncertainty(value: float, half: float) -> None:
    shown, wide = (
        float(part.replace(",", "")) for part in numbers.plus_minus(value, half).split(" ± ")
    )
    assert abs(shown - value) <= 0.051 * half + 1e-9 * abs(value)
    assert wide == pytest.approx(half, rel=0.051)


def test_joules_and_their_uncertainty_have_one_unit() -> None:
    assert numbers.joules_within(1234.5, 0.4) == "1,234.50 ± 0.40 J"
    assert numbers.joules_within(12345.0, 620.0) == "12.35 ± 0.62 kJ"
    assert numbers.joules_within(0.0, 0.5) == "0.00 ± 0.50 J"
    assert numbers.joules_within(None, 0.5) == numbers.MISSING


def test_times_side_by_side_have_one_unit() -> None:
    assert numbers.times((6009.0, 15608.2)) == ["6.009 s", "15.61 s"]
    assert numbers.times((812.3, None, 900.0)) == ["812.3 ms", numbers.MISSING, "900.0 ms"]
