"""Lines beside the result: warnings, and what was done. Light: no rich."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

from llenergymeasure.cli.options import GlobalOptions


def color() -> bool | None:
    """Whether click may colour: never with NO_COLOR, else as the stream allows."""
    return False if os.environ.get("NO_COLOR") else None


def show_warnings(warnings: Iterable[object], options: GlobalOptions) -> None:
    """Print each warning as a line on stderr."""
    if options.quiet:
        return
    for warning in warnings:
        mark = click.style("Warning:", fg="yellow", bold=True)
        click.echo(f"{mark} {warning}", err=True, color=color())


def say(text: str, options: GlobalOptions) -> None:
    """Print a line for people: on stdout, or on stderr if stdout belongs to JSON."""
    click.echo(text, err=options.json, color=color())
