"""``lem config``: config files."""

from __future__ import annotations

import click

from llenergymeasure.cli.lazy import LazyGroup
from llenergymeasure.cli.options import current, global_options

COMMANDS = {
    "validate": ("llenergymeasure.cli.config:validate", "Check a config file."),
    "show": ("llenergymeasure.cli.config:show", "Show every value and its origin."),
}


@click.group(cls=LazyGroup, commands_table=COMMANDS)
@global_options
def config() -> None:
    """Check and show config files."""


@click.command()
@click.argument("file", metavar="FILE")
@global_options
def validate(file: str) -> None:
    """Check FILE: every problem is told with its line and key."""
    from llenergymeasure.cli.display.config import show_valid
    from llenergymeasure.config.loader import load

    show_valid(file, load(file), current())


@click.command()
@click.argument("file", metavar="FILE")
@global_options
def show(file: str) -> None:
    """Show what FILE comes to: every value, and where those come from that are not defaults."""
    from llenergymeasure.cli.display.config import show_resolved
    from llenergymeasure.config.loader import load

    show_resolved(load(file), current())
