"""Lines beside the result: warnings, and what was done. Light: no rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable

import click

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.lines import HANG, fit_line
from llenergymeasure.cli.display.text.shortening import shorten
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.security import printable


def color() -> bool | None:
    """Whether click may colour: never with NO_COLOR, else as the stream allows."""
    return False if os.environ.get("NO_COLOR") else None


def tell(mark: str, text: str, *, fg: str | None = None, hang: int = HANG) -> None:
    """Print ``text`` on stderr after a mark such as ``Error:``."""
    text = printable(shorten(text), keep="\n")
    fitting = fit_line(text, sys.stderr, lead=len(mark) + 1, hang=hang)
    click.echo(f"{click.style(mark, fg=fg, bold=True)} {fitting}", err=True, color=color())


def tell_fault(mark: str, fault: LLEnergyMeasureError, name: str = "") -> None:
    """Print on stderr what is wrong, with ``name`` before it, and what to do."""
    hint = f"; {fault.hint}" if fault.hint else ""
    tell(mark, f"{name}{': ' if name else ''}{fault.message}{hint}")


def note_to(options: GlobalOptions) -> Callable[[str], None]:
    """What prints a note on stderr, unless ``--quiet``."""
    return lambda words: None if options.quiet else tell("Note:", words)


def show_warnings(warnings: Iterable[object], options: GlobalOptions) -> None:
    """Print each as a line on stderr, by its severity."""
    if options.quiet:
        return
    for warning in warnings:
        is_info = getattr(warning, "severity", "warning") == "info"
        mark, fg = ("Note:", None) if is_info else ("Warning:", "yellow")
        tell(mark, printable(str(warning)), fg=fg)


def say(text: str, options: GlobalOptions, *, hang: int = HANG) -> None:
    """Print a line of the answer for people; with ``--json`` the document is the whole answer."""
    if not options.json:
        click.echo(fit_line(printable(text), sys.stdout, hang=hang), color=color())
