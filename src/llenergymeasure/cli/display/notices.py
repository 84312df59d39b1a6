"""Lines beside the result: warnings, and what was done. Light: no rich."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

from llenergymeasure.cli.options import GlobalOptions
from llenergymeasure.security import printable


def color() -> bool | None:
    """Whether click may colour: never with NO_COLOR, else as the stream allows."""
    return False if os.environ.get("NO_COLOR") else None


_WARNING = click.style("Warning:", fg="yellow", bold=True)


def show_warnings(warnings: Iterable[object], options: GlobalOptions) -> None:
    """Print each as a line on stderr, by its severity."""
    if options.quiet:
        return
    for warning in warnings:
        is_info = getattr(warning, "severity", "warning") == "info"
        mark = click.style("Note:", bold=True) if is_info else _WARNING
        click.echo(f"{mark} {printable(str(warning))}", err=True, color=color())


def say(text: str, options: GlobalOptions) -> None:
    """Print a line for people: on stdout, or on stderr if stdout belongs to JSON."""
    click.echo(printable(text), err=options.json, color=color())
