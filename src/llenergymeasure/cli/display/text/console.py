"""Where text for people goes, and how wide it may be."""

from __future__ import annotations

import sys

from rich.console import Console

# Piped text is not wrapped: whoever reads it has tools of their own.
_UNBOUNDED = 10_000
PROSE_WIDTH = 100


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
