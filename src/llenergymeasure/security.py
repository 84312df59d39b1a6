"""What comes from outside: names stay in their folder, text does not drive the terminal.

And what must not get outside: secrets in logs, formulas in tables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from llenergymeasure.exceptions import ConfigurationError

# File systems end names at 255 bytes; what we append to an id has to fit too.
MAX_ID_LENGTH: Final = 128
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", re.ASCII)
# Control characters (ESC begins a command to the terminal), what turns lines or words around, and
# bytes of a name that are no text.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# A variable is a secret's if one of the words in its name says so.
_SECRET_WORDS = frozenset(
    {"TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "CREDENTIALS", "WEBHOOK"}
)
# Shorter values are no secrets, and hiding them would tear holes into every sentence.
_LEAST_SECRET = 8
_HIDDEN = "[hidden]"
_SECRET_FORMS = (
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),  # user and password of an address
    re.compile(r"(?i)(?<=\bbearer )[\w.~+/=-]{8,}|(?<=\bbasic )[\w.~+/=-]{8,}"),
    re.compile(r"\bhf_\w{8,}"),
)


def redact(text: str, env: Mapping[str, str] = os.environ) -> str:
    """``text`` without the secrets of the environment, and without what looks like one.

    Other libraries and servers write into our logs; they may repeat what they were sent.
    """
    for name, value in env.items():
        secret = len(value) >= _LEAST_SECRET and value in text
        if secret and _SECRET_WORDS & set(name.upper().split("_")):
            text = text.replace(value, _HIDDEN)
    for form in _SECRET_FORMS:
        text = form.sub(_HIDDEN, text)
    return text


def printable(text: str, *, keep: str = "") -> str:
    """``text`` with every character that could command a terminal escaped (ESC as backslash-x1b).

    Args:
        text: Anything that a person, a file or another program gave.
        keep: Characters that stay, such as a newline where several lines are meant.
    """
    return _UNPRINTABLE.sub(
        lambda found: (
            found[0] if found[0] in keep else found[0].encode("unicode_escape").decode("ascii")
        ),
        text,
    )


def is_safe_id(text: str) -> bool:
    """Whether ``text`` can be a file's name everywhere and leads nowhere else."""
    return len(text) <= MAX_ID_LENGTH and _ID.fullmatch(text) is not None and ".." not in text


def safe_id(text: str) -> str:
    """Return ``text`` itself, if it may name a file.

    It is refused rather than cleaned: a cleaned id could be another experiment's.

    Raises:
        ConfigurationError: Characters other than letters, digits, ``_``, ``-`` and single dots,
            a leading dot, nothing at all, or too many of them.
    """
    if is_safe_id(text):
        return text
    shown = text if len(text) <= MAX_ID_LENGTH else f"{text[:40]}..."
    raise ConfigurationError(
        f"{shown!r} is no experiment id",
        hint=f"ids hold up to {MAX_ID_LENGTH} letters, digits, '_', '-' and single '.', and do "
        "not begin with a dot; list them with: lem results list --all",
    )


def resolve_within(base: Path, *parts: str) -> Path:
    """``base`` joined with ``parts``, which must not lead out of it (symbolic links included).

    Raises:
        ConfigurationError: It would.
    """
    path = base.joinpath(*parts)
    try:
        inside = path.resolve().is_relative_to(base.resolve())
        with suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL byte, too long
        raise ConfigurationError(
            f"{'/'.join(parts)!r} is no usable path below {base}: {error}"
        ) from error
    if not inside:
        raise ConfigurationError(
            f"{'/'.join(parts)!r} leads out of {base}",
            hint="give a name inside that folder, and look for symbolic links in it",
        )
    return path


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def plain_text(value: Any) -> Any:
    """A cell of a CSV file, which a spreadsheet must not take for a formula (CWE-1236).

    A text that begins like one gets an apostrophe before it; numbers stay what they are.
    """
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def expand_home(text: str) -> Path:
    """A path with ``~`` resolved; that of a user who is not there stays as it is."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  (pathlib's own raises for such a user)
