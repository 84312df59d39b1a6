"""``lem measure -- COMMAND``: what any command costs in joules."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.constants import EXIT_OWN_FAILURE

if TYPE_CHECKING:
    from llenergymeasure.orchestration.metering.command import MeasuredCommand


class Milliseconds(click.FloatRange):
    """A length of time that is one."""

    name = "milliseconds"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)


class _Measure(click.Command):
    """Ends with 125 whatever fails on our side: another code could be the measured command's."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            error.exit_code = EXIT_OWN_FAILURE  # type: ignore[attr-defined]
            raise


@click.command(
    cls=_Measure,
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option(
    "--backend",
    metavar="NAME[,NAME]...",
    help="Energy backend, or several, best first; default: auto, the best for each domain.",
)
@click.option("--gpus", metavar="GPU[,GPU]...", help="GPUs by index, UUID or PCI bus id.")
@click.option(
    "--interval-ms", type=Milliseconds(), help="Time between two readings, in milliseconds."
)
@click.option(
    "--country",
    metavar="CODE",
    help="Country of the grid, e.g. DEU, for emissions: measures with codecarbon, which alone "
    "knows them.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write JSON to a file.")
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND [ARG]...")
@global_options
def measure(
    backend: str | None,
    gpus: str | None,
    interval_ms: float | None,
    country: str | None,
    output: Path | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND and measure exactly its lifetime.

    Its output and its exit code pass through untouched; the table goes to stderr. Exit codes of
    our own: 125 lem failed, 126 COMMAND cannot be executed, 127 there is no such command,
    128+n signal n ended it.

    \b
    Examples:
      lem measure -o joules.json -- python train.py
      lem measure --backend nvml,rapl --gpus 0,1 -- ./serve
    """  # noqa: D301 - click reads \b as: keep these lines
    from llenergymeasure.exceptions import LLEnergyMeasureError
    from llenergymeasure.orchestration.metering.command import (
        CommandCannotRunError,
        measure_command,
    )

    context = click.get_current_context()
    if current().json or (output is not None and str(output) == "-"):
        raise click.UsageError("stdout belongs to the command; use --output FILE for JSON.")
    if output is not None and not _writable(output):
        click.echo(f"lem measure: {output} cannot be written; nothing was run", err=True)
        context.exit(EXIT_OWN_FAILURE)
    if country is not None and backend not in (None, "auto", "codecarbon"):
        raise click.UsageError("--country goes with --backend codecarbon: others know no grid.")
    try:
        measured = measure_command(
            command,
            backend or "auto" if country is None else "codecarbon",
            {} if country is None else {"country_iso_code": country},
            gpus=None if gpus is None else [gpu.strip() for gpu in gpus.split(",")],
            interval_ms=interval_ms,
        )
    except CommandCannotRunError as error:
        click.echo(f"lem measure: {error}", err=True)
        context.exit(error.exit_code)
    except LLEnergyMeasureError as error:
        click.echo(f"lem measure: {error.message}", err=True)
        if error.hint:
            click.echo(f"Hint: {error.hint}", err=True)
        context.exit(EXIT_OWN_FAILURE)
    written = output is None or _write(output, measured)
    if not current().quiet:
        _show(measured)
    context.exit(measured.exit_code if written else EXIT_OWN_FAILURE)


def _writable(output: Path) -> bool:
    target = output if output.exists() else output.absolute().parent
    return not output.is_dir() and target.exists() and os.access(target, os.W_OK)


def _write(output: Path, measured: MeasuredCommand) -> bool:
    """Whether that went well: what was measured is shown all the same."""
    from llenergymeasure.durable import write_output
    from llenergymeasure.exceptions import StorageError

    try:
        write_output(output, (json.dumps(measured.as_data(), indent=2) + "\n").encode())
    except StorageError as error:
        click.echo(f"lem measure: {error.message}", err=True)
        return False
    return True


def _show(measured: MeasuredCommand) -> None:
    from llenergymeasure.cli.display.measured import print_measured
    from llenergymeasure.cli.display.text.console import console

    print_measured(console(stderr=True), measured)
