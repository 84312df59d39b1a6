"""What ``energy.backend`` may say: a name, ``auto``, ``none``, or a list of names, best first.

nvml        "nvml"
[nvml]      "nvml"
nvml,rapl   ("nvml", "rapl"); so are [nvml, rapl] and, as one text, "[nvml, rapl]"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, cast

from pydantic import BeforeValidator

AUTO: Final = "auto"
NONE: Final = "none"
ESTIMATE: Final = "estimate"

_ALONE = {
    AUTO: "it takes every source that is worth it",
    NONE: "it means that no source is read",
    "replay": "recorded joules do not add up with measured ones",
}

EnergyNames = str | tuple[str, ...]


def tidy_choice(value: object) -> object:
    """The one form of every way to write a choice; what is none is given back as it is."""
    if isinstance(value, str):
        text = value.strip()
        inner = text[1:-1].strip() if text.startswith("[") and text.endswith("]") else text
        value = [part.strip() for part in inner.split(",")] if "," in inner else inner
    if isinstance(value, list | tuple):
        return value[0] if len(value) == 1 else tuple(value)
    return value


def names_of(choice: str | Sequence[str]) -> tuple[str, ...]:
    """The names of a choice, in its order; ``auto`` and ``none`` are names here too."""
    tidy = cast("str | tuple[str, ...]", tidy_choice(choice))
    return (tidy,) if isinstance(tidy, str) else tidy


def describe_choice(choice: str | Sequence[str]) -> str:
    """A choice as it is written on a command line: ``nvml,rapl``."""
    return ",".join(names_of(choice))


def check_choice(value: object) -> object:
    """The tidy form of a choice; whether its names are registered is not asked.

    Raises:
        ValueError: It is no choice, or its names do not go together.
    """
    choice = tidy_choice(value)
    names = choice if isinstance(choice, tuple) else (choice,)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"found {value!r}, must be an energy backend's name or a list of names")
    if not names or not all(names):
        raise ValueError(f"a name is empty; write {NONE} to measure no energy")
    if len(names) > 1:
        _check_list([str(name) for name in names])
    return choice


def _check_list(names: list[str]) -> None:
    for name in names:
        if name in _ALONE:
            raise ValueError(f"{name!r} stands alone: {_ALONE[name]}")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands in the list twice")


EnergyChoice = Annotated[EnergyNames, BeforeValidator(check_choice)]
"""The type of the key ``energy.backend``."""
