"""``lem measure -- COMMAND``: what any command costs in joules."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llenergymeasure.cli.arguments.endings import end_help_with
from llenergymeasure.cli.arguments.options import Number, current, global_options, hide
from llenergymeasure.constants import EXIT_OWN_FAILURE

if TYPE_CHECKING:
    from llenergymeasure.orchestration.metering.command import MeasuredCommand


_EXIT_CODES = (
    "Exit codes: those of COMMAND; 125 lem failed or the options are wrong, 126 COMMAND cannot be "
    "executed, 127 there is no such command, 128+n signal n ended it."
)


class Milliseconds(Number):
    """A length of time that is one."""

    name = "number"

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
    epilog=end_help_with(
        _EXIT_CODES,
        "lem measure -o joules.json -- python train.py",
        "lem measure --backend nvml,rapl --gpus 0,1 -- ./serve",
    ),
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option(
    "--backend",
    metavar="NAME[,NAME]...",
    help="Energy backends, best first; see: lem backends. Default: auto, for "
    "each domain the first that works of those that lem backends names for it.",
)
@click.option(
    "--gpus",
    metavar="GPU[,GPU]...",
    help="Measure these GPUs only, by index, UUID or PCI bus id. Default: all "
    "that CUDA_VISIBLE_DEVICES leaves.",
)
@click.option(
    "--interval-ms",
    type=Milliseconds(),
    help="Time between two readings, in ms; 1 to 500 for GPUs. Default: each backend's own.",
)
@click.option(
    "--country",
    metavar="CODE",
    help="Report emissions for this country's grid, by ISO 3166 code, e.g. DEU. Uses the energy "
    "backend codecarbon.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result to this file, as JSON; replaces it.",
)
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND [ARG]...")
@hide("json", "yes", "results_dir")
@global_options
def measure(
    backend: str | None,
    gpus: str | None,
    interval_ms: float | None,
    country: str | None,
    output: Path | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND and measure the energy from its start to its end.

    Its output and its exit code pass through untouched. The table goes to stderr. The measured
    window is some milliseconds longer than the command, so measure commands of a second or more.
    """
    from llenergymeasure.exceptions import LLEnergyMeasureError
    from llenergymeasure.orchestration.metering.command import measure_command
    from llenergymeasure.orchestration.metering.program import CommandCannotRunError

    context = click.get_current_context()
    if current().json or (output is not None and str(output) == "-"):
        raise click.UsageError("stdout belongs to the command; use --output FILE for JSON.")
    # The command may remove the folder that a relative path starts from.
    place = None if output is None else _find_place(output)
    if output is not None and place is None:
        _tell(f"{output} cannot be written; nothing was run")
        context.exit(EXIT_OWN_FAILURE)
    if country is not None and backend not in (None, "auto", "codecarbon"):
        raise click.UsageError("--country goes with --backend codecarbon: others know no grid.")
    _tell_others()
    try:
        measured = measure_command(
            command,
            backend or "auto" if country is None else "codecarbon",
            {} if country is None else {"country_iso_code": country},
            gpus=None if gpus is None else [gpu.strip() for gpu in gpus.split(",")],
            interval_ms=interval_ms,
        )
    except CommandCannotRunError as error:
        _tell(str(error))
        context.exit(error.exit_code)
    except LLEnergyMeasureError as error:
        _tell(error.message)
        if error.hint:
            _tell(error.hint, "Hint")
        context.exit(EXIT_OWN_FAILURE)
    written = output is None or place is None or _write(output, place, measured)
    # What was measured is shown somewhere, whatever is left out.
    if not current().quiet or output is None:
        _show(measured)
    context.exit(measured.exit_code if written else EXIT_OWN_FAILURE)


def _tell(text: str, mark: str = "lem measure") -> None:
    from llenergymeasure.cli.display.text.shortening import shorten
    from llenergymeasure.security import printable

    click.echo(printable(f"{mark}: {shorten(text)}", keep="\n"), err=True)


def _tell_others() -> None:
    from llenergymeasure.core.processes.measurements import describe_others

    others = None if current().quiet else describe_others()
    if others is not None:
        _tell(others, "Note")


def _find_place(output: Path) -> Path | None:
    """The file from the root on; None where nothing can be written."""
    try:
        place = output.absolute()
        is_there = place.exists()
    except OSError:  # the current folder has been removed, a name too long
        return None
    can_be = not place.is_dir() if is_there else place.parent.is_dir()
    writable = os.access(place if is_there else place.parent, os.W_OK)
    return place if can_be and writable else None


def _write(output: Path, place: Path, measured: MeasuredCommand) -> bool:
    """Whether that went well; what was measured is then elsewhere.

    A folder that was moved is followed; one that was removed is made anew.
    """
    from llenergymeasure.durable import write_output
    from llenergymeasure.exceptions import StorageError

    content = (json.dumps(measured.as_data(), indent=2) + "\n").encode()
    if not output.is_absolute() and output.parent.exists():
        with contextlib.suppress(StorageError):
            write_output(output, content)
            return True
    try:
        write_output(place, content)
    except StorageError as error:
        _tell(error.message)
        click.echo(f"lem measure: {_rescue(content)}", err=True)
        return False
    if not output.is_absolute() and not output.exists():
        _tell(f"the current folder was removed; written: {place}")
    return True


def _rescue(content: bytes) -> str:
    """Keep what was measured where it can be kept, and say where that is."""
    from tempfile import mkstemp

    try:
        handle, name = mkstemp(prefix="lem-measure-", suffix=".json")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    except OSError:
        return f"what was measured follows\n{content.decode()}"
    return f"what was measured is in {name}"


def _show(measured: MeasuredCommand) -> None:
    from llenergymeasure.cli.display.measured import print_measured
    from llenergymeasure.cli.display.text.console import console

    print_measured(console(stderr=True), measured)
