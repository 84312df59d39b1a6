"""Names and paths that come from outside stay inside the folder that they belong to."""

from __future__ import annotations

import re
from pathlib import Path

from llenergymeasure.exceptions import ConfigurationError

_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def is_safe_id(text: str) -> bool:
    """Whether ``text`` can be a file's name everywhere and leads nowhere else."""
    return _SAFE_ID.fullmatch(text) is not None and ".." not in text


def safe_id(text: str) -> str:
    """``text`` itself, if it may name a file.

    Raises:
        ConfigurationError: It holds anything but letters, digits, ``_``, ``-`` and single dots.
    """
    if not is_safe_id(text):
        raise ConfigurationError(
            f"{text!r} is no experiment id",
            hint="ids hold letters, digits, '_', '-' and '.'; list them with: "
            "lem results list --all",
        )
    return text


def contained(base: Path, *parts: str) -> Path:
    """``base`` joined with ``parts``, which must not lead out of it (symbolic links included).

    Raises:
        ConfigurationError: It would.
    """
    path = base.joinpath(*parts)
    if not path.resolve().is_relative_to(base.resolve()):
        raise ConfigurationError(f"{'/'.join(parts)!r} leads out of {base}")
    return path
