"""Saying in one line what happened in which cycles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten

from llenergymeasure.domain.metrics import RequestErrors

# An engine's error may hold a whole traceback.
_MAX_ERROR = 300

_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+)?")

# Beyond this many different details one of them stands for the rest.
_MAX_DETAILS = 3


def join_by_cycle(details: Mapping[str, Sequence[int]], cycles: int) -> str:
    """Join details, each with its cycles; without them where one detail holds for all cycles.

    Args:
        details: In which cycles each detail was seen.
        cycles: How many cycles there are.
    """
    if len(details) == 1:
        ((detail, where),) = details.items()
        return detail if len(set(where)) == cycles else f"{_cycles(where)}: {detail}"
    if cycles == 1:
        return "; ".join(details)
    alike = len({_NUMBERS.sub("#", detail) for detail in details}) == 1
    if len(details) <= _MAX_DETAILS and not alike:
        return "; ".join(f"{_cycles(where)}: {detail}" for detail, where in details.items())
    everywhere = [cycle for where in details.values() for cycle in where]
    first, where = next(iter(details.items()))
    return f"{_cycles(everywhere)}, for instance {_cycles(where)}: {first}"


def _cycles(where: Sequence[int]) -> str:
    numbers = sorted(set(where))
    return f"cycle{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def describe_errors(errors: Sequence[RequestErrors]) -> Iterator[str]:
    """The most frequent error, and how many others there are."""
    if not errors:
        return
    first, *others = errors
    yield f"{first.count} failed with: {shorten(first.text, _MAX_ERROR, placeholder=' ...')}"
    if others:
        words = "another error" if len(others) == 1 else f"{len(others)} other errors"
        yield f"{sum(other.count for other in others)} failed with {words}"
