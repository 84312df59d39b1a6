"""The common form of every stored model: frozen, and strict about what it holds.

No record holds a number that cannot be: NaN and infinity are refused in every field, and numbers
that are never negative say so by their type. A value that a sensor made up, or a damaged file, must
not be summed, let alone be called valid.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# What a record refuses is also refused in a dict or a tuple of these.
NonNegative = Annotated[float, Field(ge=0)]
"""A finite number from 0 on: joules, watts, seconds, bytes."""
Count = Annotated[int, Field(ge=0)]
"""A whole number from 0 on."""
Ordinal = Annotated[int, Field(ge=1)]
"""A whole number from 1 on: a cycle, a number of processes, a version."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, from 0 to 1."""
Celsius = Annotated[float, Field(ge=-273.15, le=1000)]
"""A temperature that a device can have and still answer, in degrees Celsius."""


class Record(BaseModel):
    """A frozen record. Unknown fields are refused, so a typo in our own code cannot hide."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def describe_refusal(error: ValidationError) -> str:
    """The first thing that a record refused, in one line: field, what is wrong, value."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    said = first["msg"].removeprefix("Value error, ")
    value = first["input"]
    told = f" (it is {value!r})" if isinstance(value, int | float | str) else ""
    return ": ".join(filter(None, (where, said))) + told
