"""``lem results export``: results as a table for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.cli.arguments.selecting import selection_options
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import note_to, say, tell_fault
from llenergymeasure.constants import EXIT_RUN_FAILED
from llenergymeasure.exceptions import StorageError

if TYPE_CHECKING:
    from llenergymeasure.orchestration.stored.selection import Selection

_FORMATS = ("csv", "json", "parquet")


@click.command(
    "export",
    epilog=end_help("lem results export -o results.csv", "lem results export latest --raw -f json"),
)
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=completion.experiments)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="Format of the table. Default: by the name of the file, else csv.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to this file; asks before it replaces one. Default: stdout.",
)
@click.option("--raw", is_flag=True, help="One row for each process and cycle.")
@selection_options
@global_options
def export(
    ids: tuple[str, ...],
    form: str | None,
    output: Path | None,
    raw: bool,
    selection: Selection,
) -> None:
    """Export experiments as a table: all aggregated ones, or those of the given IDs.

    Column names carry the units. Missing values are empty cells, or null. Experiments without a
    usable result are left out and named on stderr. The exit code is then 1 if one of them is
    damaged or gone, or was named by its ID.
    """
    from llenergymeasure.cli.arguments.questions import may_replace
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.durable import write_output
    from llenergymeasure.orchestration.stored.inventory import (
        Places,
        find_experiment,
        list_experiments,
    )
    from llenergymeasure.orchestration.stored.selection import export_rows, select_experiments
    from llenergymeasure.results.exporters import export_table

    options = current()
    chosen = _format(form, output, as_json=options.json)
    places = Places(options.choose_results_dir(), state_dir(), bool(options.results_dir))
    entries = (
        [find_experiment(text, places, note_to(options)) for text in ids]
        if ids
        else list_experiments(places, include_unfinished=True)
    )
    rows, left_out = export_rows(select_experiments(entries, selection), raw=raw)
    for experiment_id, fault in left_out:
        named = "" if experiment_id in fault.message else experiment_id
        tell_fault("Left out:", fault, named)
    if not rows and not options.quiet:
        click.echo("nothing to export: no result here fits", err=True)
    content = export_table(rows, chosen)
    if output is None:
        write_table(content)
    else:
        may_replace(output, options)
        write_output(output, content)
        if options.json:
            write_json(
                {"written": str(output), "rows": len(rows), "left_out": [i for i, _ in left_out]}
            )
        if not options.quiet:
            count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
            say(f"written: {output} ({count})", options)
    # What was asked for by its id, or is damaged, is missed by whoever reads the table.
    if left_out and (ids or any(isinstance(fault, StorageError) for _, fault in left_out)):
        click.get_current_context().exit(EXIT_RUN_FAILED)


def _format(form: str | None, output: Path | None, *, as_json: bool) -> str:
    suffix = "" if output is None else output.suffix.removeprefix(".").lower()
    if form is None and suffix and suffix not in _FORMATS:
        raise click.UsageError(
            f"A .{suffix} file cannot be written; end the name in "
            f"{', '.join(f'.{name}' for name in _FORMATS)}, or say --format."
        )
    chosen = form or suffix or "csv"
    if output is not None:
        return chosen
    if chosen == "parquet":
        raise click.UsageError("Parquet is not text; name a file with --output.")
    if as_json and form == "csv":
        raise click.UsageError("--json promises JSON on stdout; use --output for a CSV file.")
    return "json" if as_json else chosen


def write_table(content: bytes) -> None:
    """Write a table to stdout; a terminal must not be commanded by a name in it."""
    from llenergymeasure.security import printable

    if sys.stdout.isatty():
        content = printable(content.decode(), keep="\r\n").encode()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
