"""``lem config``: config files."""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.config_flags import layer_options
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.lazy import LazyGroup
from llenergymeasure.cli.arguments.options import current, global_options

COMMANDS = {
    "validate": ("llenergymeasure.cli.config:validate", "Check a config file."),
    "show": ("llenergymeasure.cli.config:show", "Show every value and its origin."),
    "list": ("llenergymeasure.cli.config_files:list_configs", "List config files."),
    "new": ("llenergymeasure.cli.config_files:new", "Write a config to start from."),
    "schema": ("llenergymeasure.cli.config_files:schema", "Print the JSON Schema."),
    "generate-grid": (
        "llenergymeasure.cli.config_files:generate_grid",
        "Write a config for each combination of values.",
    ),
}


@click.group(cls=LazyGroup, commands_table=COMMANDS)
@global_options
def config() -> None:
    """Check, show and make config files."""


@click.command(
    epilog=end_help(
        "lem config validate llama.yaml", "lem config validate llama.yaml --set num_cycles=3"
    )
)
@click.argument("file", metavar="FILE", shell_complete=completion.files)
@layer_options
@global_options
def validate(file: str, sets: tuple[str, ...], preset: str | None) -> None:
    """Check the keys and values of FILE and report every problem with its line and key.

    Model and prompts are not looked at; lem experiment --dry-run does that.
    """
    from llenergymeasure.cli.display.config import show_valid
    from llenergymeasure.config.loader import load

    show_valid(file, load(file, sets=sets, preset=preset), current())


@click.command(
    epilog=end_help("lem config show llama.yaml", "lem config show llama.yaml --preset benchmark")
)
@click.argument("file", metavar="FILE", shell_complete=completion.files)
@layer_options
@global_options
def show(file: str, sets: tuple[str, ...], preset: str | None) -> None:
    """Show every value that counts for FILE, and the origin of each that is not a default.

    From strongest to weakest: --set, LEM_ variables, .env, FILE, preset, defaults of
    .lem-config.yaml, built-in defaults.
    """
    from llenergymeasure.cli.display.config import show_resolved
    from llenergymeasure.config.loader import load

    show_resolved(load(file, sets=sets, preset=preset), current())
