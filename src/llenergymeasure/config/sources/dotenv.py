"""``.env``: variables of a folder. Those that are set already win."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from llenergymeasure.config.problems.report import Place
from llenergymeasure.exceptions import ConfigurationError

DOTENV: Final = ".env"
# Variables by which the loader, Python or the shell run other code than the user's own: a folder
# that was only unpacked must not choose which programs run.
_NOT_TAKEN: Final = ("LD_", "DYLD_", "PYTHON", "BASH_")

# What this process took: variable -> its text and line.
_taken: dict[str, tuple[str, int]] = {}


def take_dotenv() -> None:
    """Put the variables of ``.env`` here into the environment, and remember their lines.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        with Path(DOTENV).open(encoding="utf-8") as file:
            lines = {found.key: found.original.line for found in parse_stream(file)}
        for name, value in dotenv_values(DOTENV).items():
            if value is None or name.upper().startswith(_NOT_TAKEN) or name in os.environ:
                continue
            os.environ[name] = value
            _taken[name] = (value, lines[name])
    except (OSError, ValueError) as error:  # not ours to read, not UTF-8, a NUL byte
        raise ConfigurationError(
            f"{DOTENV} cannot be read: {error}",
            hint="write NAME=value lines as UTF-8, or remove it",
        ) from error


def is_taken(name: str, text: str) -> bool:
    """Whether a variable has this text from ``.env``, not from before ``lem`` was called."""
    return name in _taken and _taken[name][0] == text


def place_of_variable(name: str, text: str) -> Place:
    """Where a variable with this text was set."""
    if is_taken(name, text):
        return Place(f"{name} in {DOTENV}", _taken[name][1])
    return Place(f"environment variable {name}")
