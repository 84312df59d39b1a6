"""Where the values come from that a message names, as far as the file in hand does not say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from llenergymeasure.exceptions import LLEnergyMeasureError

DEFAULT: Final = "is the default"

# No part of a path or of an option.
_KEY = re.compile(r"(?<![\w./-])[a-z][a-z_]*(?:\.[a-z_]+)*(?![\w/-])")


def from_place(place: object) -> str:
    """The words for a place that is not the file in hand."""
    article = "the " if str(place).startswith(("command line", "environment")) else ""
    return f"is from {article}{place}"


def find_keys(text: str) -> list[str]:
    """What may be a key in a text, each once, in its order."""
    return list(dict.fromkeys(_KEY.findall(text)))


def with_origins(text: str, origins: Mapping[str, str]) -> str:
    """The text, and of each key in it that has an origin the origin."""
    told = [f"{key} {origins[key]}" for key in find_keys(text) if key in origins]
    return f"{text} ({'; '.join(told)})" if told else text


@contextmanager
def name_origins(origins_in: Callable[[str], Mapping[str, str]]) -> Iterator[None]:
    """Add the origins of the keys that an error's message names."""
    try:
        yield
    except LLEnergyMeasureError as error:
        error.message = with_origins(error.message, origins_in(error.message))
        error.args = (error.message, *error.args[1:])
        raise
