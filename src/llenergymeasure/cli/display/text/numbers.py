"""Numbers as a person reads them: sane digits, a unit, and a dash for what is not known."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISSING = "–"  # noqa: RUF001 - a dash, wider than a minus
DIGITS = 4

# From which value on a unit is used. A kilojoule starts late: 1,234 J reads better than 1.234 kJ.
_JOULES = ((1e7, 1e6, "MJ"), (1e4, 1e3, "kJ"), (0.1, 1.0, "J"), (1e-4, 1e-3, "mJ"), (0, 1e-6, "µJ"))


def significant(value: float | None, digits: int = DIGITS) -> str:
    """``value`` with so many significant digits; no digit before the point is dropped."""
    if value is None or not math.isfinite(value):
        return MISSING
    if isinstance(value, int):
        return count(value)
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if magnitude < -6:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def plus_minus(value: float, half: float) -> str:
    """``value ± half``: as many digits as the half-width allows, which itself has two."""
    if not (math.isfinite(value) and math.isfinite(half) and half > 0):
        return significant(value)
    place = math.floor(math.log10(float(f"{half:.1e}"))) - 1
    rounded = (f"{round(number, -place):,.{max(0, -place)}f}" for number in (value, half))
    return " ± ".join(rounded)


def joules_cell(value: float | None, half: float | None, origin: str | None) -> str:
    """Joules as a cell of a column that names the unit.

    The origin is in the same cell: a column of origins could be left out where space is short.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    text = significant(value) if half is None else plus_minus(value, half)
    return f"{text} {origin or ''}".rstrip()


def count(value: int | None) -> str:
    """A whole number, exact."""
    return MISSING if value is None else f"{value:,}"


def joules(value: float | None) -> str:
    """Energy in the unit that fits."""
    return joules_within(value, None)


def joules_within(value: float | None, half: float | None) -> str:
    """Energy in the unit that fits, with half the width of its interval if that is known."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0 and not half:
        return "0 J"
    size = abs(value or half or 0)
    factor, unit = next((factor, unit) for least, factor, unit in _JOULES if size >= least)
    if half is None:
        return f"{significant(value / factor)} {unit}"
    return f"{plus_minus(value / factor, half / factor)} {unit}"


def half_width(half: float | None, value: float) -> str:
    """Half an interval around ``value`` in J, in the unit of ``value``, with two digits."""
    if half is None or not math.isfinite(half):
        return MISSING
    size = abs(value or half)
    factor, unit = next((factor, unit) for least, factor, unit in _JOULES if size >= least)
    return f"\u00b1 {significant(half / factor, 2)} {unit}"


def seconds(value: float | None) -> str:
    """A duration given in s."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value < 120:
        return f"{significant(value)} s" if value >= 1 else milliseconds(value * 1000)
    whole = round(value)
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def milliseconds(value: float | None) -> str:
    """A short time given in ms."""
    return times((value,))[0]


def times(values_ms: Sequence[float | None]) -> list[str]:
    """Times given in ms, all in the unit that fits the longest, so that they compare."""
    known = [value for value in values_ms if value is not None and math.isfinite(value)]
    factor, unit = (1000, "s") if any(value >= 10_000 for value in known) else (1, "ms")
    texts = [significant(None if value is None else value / factor) for value in values_ms]
    return [text if text == MISSING else f"{text} {unit}" for text in texts]


def percent(share: float | None) -> str:
    """A share in [0, 1] as a percentage."""
    return MISSING if share is None else f"{significant(share * 100, 3)} %"


def gibibytes(value_bytes: float | None) -> str:
    """A size given in bytes."""
    return MISSING if value_bytes is None else f"{significant(value_bytes / 2**30, 3)} GiB"


def or_reason(text: str, reason: str | None) -> str:
    """A dash tells why it is one, where that is known."""
    return f"{text}  ({reason})" if text == MISSING and reason else text
