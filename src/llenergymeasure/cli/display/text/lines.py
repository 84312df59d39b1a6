"""Lines of prose: whole words at a terminal, as they are elsewhere. Light: no rich."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TextIO

HANG = 2
_LEAST_WIDTH = 20
_GLUE = "\x00"
_AFTER_NUMBER = re.compile(r"(?<=[\d=±]) (?=\S)|(?<=\S) (?=[=±])")
_COMMAND = re.compile(r"(^|(?<=: )|(?<= {2}))lem [^,;]*$")

Row = tuple[str, str]
"""A label and what stands beside it."""


def wrap_line(text: str, width: int, hang: int = 0) -> list[str]:
    """Lines of at most ``width`` columns; a longer word (a path) stays whole.

    A number stays with its unit, and with the words that it completes. A command at the end
    stays in one piece, to be copied. All lines but the first are indented by ``hang``.
    """
    glued = _COMMAND.sub(lambda found: found[0].replace(" ", _GLUE), text)
    glued = _AFTER_NUMBER.sub(_GLUE, glued)
    lines = textwrap.wrap(
        glued,
        max(width, hang + _LEAST_WIDTH),
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines] or [""]


def fit_line(text: str, stream: TextIO, *, lead: int = 0, hang: int = HANG) -> str:
    """``text`` as it fits the terminal behind ``stream``; unchanged where there is none.

    Args:
        text: One or more lines.
        stream: Where it will be written.
        lead: Columns of the first line that something else takes.
        hang: Indent of the lines that a long line becomes, after its first.
    """
    columns = count_columns(stream)
    if columns is None:
        return text
    first, *others = text.split("\n")
    fitting = [_fit_cell("\x01" * lead + first, columns, hang)[lead:]]
    return "\n".join([*fitting, *(_fit_cell(line, columns, hang) for line in others)])


def _fit_cell(line: str, columns: int, hang: int) -> str:
    return line if len(line) <= columns else "\n".join(wrap_line(line, columns, hang))


def count_columns(stream: TextIO) -> int | None:
    """How wide the terminal behind ``stream`` is; None where there is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):
        return None
