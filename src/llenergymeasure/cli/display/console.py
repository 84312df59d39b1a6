"""Where text for people goes, and how wide it may be."""

from __future__ import annotations

import re
import sys
import textwrap

from rich.console import Console

# Piped text is not wrapped: whoever reads it has tools of their own.
_UNBOUNDED = 10_000
PROSE_WIDTH = 100
_GLUE = "\x00"
_AFTER_NUMBER = re.compile(r"(?<=[\d=±]) (?=\S)|(?<=\S) (?=[=±])")


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr.

    Colour follows the terminal and NO_COLOR. Nothing in square brackets is taken for markup.
    """
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        width=None if stream.isatty() else _UNBOUNDED,
    )


def prose_width(to: Console) -> int:
    """Columns that running text may take."""
    return min(to.width, PROSE_WIDTH)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns; a longer word (a path) stays whole.

    A number stays with its unit, and with the words that it completes.
    """
    glued = _AFTER_NUMBER.sub(_GLUE, text)
    lines = textwrap.wrap(glued, max(width, 20), break_long_words=False, break_on_hyphens=False)
    return [line.replace(_GLUE, " ") for line in lines] or [""]
