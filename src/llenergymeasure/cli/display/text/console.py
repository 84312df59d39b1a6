"""Where text for people goes, and how wide it may be."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from rich.console import Console

from llenergymeasure.cli.display.text.lines import count_columns

# Piped text is not wrapped: whoever reads it has tools of their own.
_UNBOUNDED = 10_000
PROSE_WIDTH = 100


def console(*, stderr: bool = False) -> Console:
    """A console for stdout or stderr.

    Styles follow the terminal; NO_COLOR switches off all of them, bold and dim too. Nothing in
    square brackets is taken for markup.
    """
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        width=_width(stream),
    )


def _width(stream: TextIO) -> int | None:
    """Columns of ``stream``; None lets Rich look at COLUMNS, and guess."""
    if not stream.isatty():
        return _UNBOUNDED
    return None if "COLUMNS" in os.environ else count_columns(stream)


def prose_width(to: Console) -> int:
    """Columns that running text may take."""
    return min(to.width, PROSE_WIDTH)
