"""``lem config list|new|schema|generate-grid``: making config files and finding them."""

from __future__ import annotations

from pathlib import Path

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.constants import DEFAULT_BACKEND, EXIT_INPUT_WRONG


@click.command("list", epilog=end_help("lem config list", "lem config list -d configs/grid"))
@click.option(
    "-d",
    "--directory",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to look. Default: configs/ if it is there, else here.",
)
@global_options
def list_configs(directory: Path | None) -> None:
    """List the config files in a folder and below, and whether each is valid."""
    from llenergymeasure.cli.display.configs import show_configs
    from llenergymeasure.config.files.catalogue import find_configs

    folder = directory or (Path("configs") if Path("configs").is_dir() else Path())
    show_configs(folder, find_configs(folder), current())


@click.command(
    "new",
    epilog=end_help(
        "lem config new first.yaml", "lem config new llama.yaml --preset benchmark -m ./llama"
    ),
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--preset",
    metavar="NAME",
    help="Start from a preset; see: lem presets.",
    shell_complete=completion.presets,
)
@click.option(
    "-m",
    "--model",
    default="builtin:tiny-llama",
    show_default=True,
    metavar="MODEL",
    help="Model: a folder, a Hugging Face id, or builtin:NAME.",
)
@global_options
def new(file: Path, preset: str | None, model: str) -> None:
    """Write a new config FILE to start from; asks before it replaces one."""
    from llenergymeasure.cli.arguments.questions import may_replace
    from llenergymeasure.cli.display.text.json_output import write_json
    from llenergymeasure.config.files.catalogue import new_config

    options = current()
    text = new_config(file.stem, model, preset)
    may_replace(file, options)
    from llenergymeasure.durable import write_output

    write_output(file, text.encode(), "name another file, or free space on this disk")
    if options.json:
        write_json({"written": str(file)})
    if not options.quiet:
        say(f"written: {file}", options)
        say(f"next: lem experiment {file}", options)


@click.command("schema", epilog=end_help("lem config schema -o schema.json"))
@click.option(
    "--backend",
    default=DEFAULT_BACKEND,
    show_default=True,
    metavar="NAME",
    help="Inference backend of the configs.",
)
@click.option(
    "--energy",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Energy backend of the configs.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it to this file; asks before it replaces one. Default: stdout.",
)
@global_options
def schema(backend: str, energy: str, output: Path | None) -> None:
    """Print the JSON Schema of configs, for editors that check while you type."""
    from llenergymeasure.cli.display.text.json_output import write_json
    from llenergymeasure.config.introspection import json_schema

    document = json_schema(backend, energy)
    if output is None:
        write_json(document)
        return
    import json

    from llenergymeasure.cli.arguments.questions import may_replace
    from llenergymeasure.durable import write_output

    may_replace(output, current())
    write_output(output, (json.dumps(document, indent=2) + "\n").encode())
    if current().json:
        write_json({"written": str(output)})
    if not current().quiet:
        say(f"written: {output}", current())


@click.command(
    "generate-grid",
    epilog=end_help(
        "lem config generate-grid base.yaml --vary seed=1,2 --vary dtype=float32,bfloat16"
    ),
)
@click.argument("base", metavar="BASE", type=click.Path(path_type=Path))
@click.option(
    "--vary",
    "vary",
    multiple=True,
    required=True,
    metavar="KEY=V1[,V2]...",
    help="Values of a key, without commas in them; repeatable.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("configs/grid"),
    show_default=True,
    metavar="DIR",
    help="Folder of the new files.",
)
@click.option(
    "--dry-run",
    "--validate",
    "check_only",
    is_flag=True,
    help="Check every combination, write nothing.",
)
@click.option(
    "--strict", is_flag=True, help="Write nothing and exit 2 if a combination is not valid."
)
@global_options
def generate_grid(
    base: Path, vary: tuple[str, ...], output: Path, check_only: bool, strict: bool
) -> None:
    """Write one config for each combination of values over the config BASE.

    Combinations that are not valid are named and left out; if none is valid, the exit code is 2.
    Each new file extends BASE. A file that you have changed is kept, and the new one gets a number.
    """
    from llenergymeasure.cli.display.configs import show_grid
    from llenergymeasure.config.files.grid import expand, write_points

    points = expand(base, vary)
    broken = [point for point in points if point.error is not None]
    refused = strict and bool(broken)
    written = [] if check_only or refused else write_points(base, points, output)
    show_grid(points, written, current())
    if refused or len(broken) == len(points):
        click.get_current_context().exit(EXIT_INPUT_WRONG)
