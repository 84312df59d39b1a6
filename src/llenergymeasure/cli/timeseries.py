"""``lem results timeseries``: power and whatever else was sampled, over time."""

from __future__ import annotations

from pathlib import Path

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import Whole, current, global_options
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import note_to, say, tell_fault
from llenergymeasure.cli.export import write_table

_FORMS = ("png", "svg", "pdf", "html", "csv")


@click.command(
    "timeseries",
    epilog=end_help(
        "lem results timeseries latest",
        "lem results timeseries latest -o power.png --quantity power",
        "lem results timeseries latest -o samples.csv",
    ),
)
@click.argument("experiment_id", metavar="ID", shell_complete=completion.experiments)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to this file; asks before it replaces one. Default: show a table.",
)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(_FORMS),
    help="Format of the file. Default: by its name.",
)
@click.option("--cycle", type=Whole(1), help="Only this cycle; the first is 1. Default: all.")
@click.option(
    "--process",
    "process_index",
    type=Whole(0),
    help="Only this process; the first is 0. Default: all.",
)
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="NAME",
    help="Only this quantity of the table; repeatable. Default: all.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Only this device of the table, e.g. gpu:0; repeatable. Default: all.",
)
@click.option("--requests", is_flag=True, help="Add the number of requests in flight.")
@global_options
def timeseries(
    experiment_id: str,
    output: Path | None,
    form: str | None,
    cycle: int | None,
    process_index: int | None,
    quantities: tuple[str, ...],
    devices: tuple[str, ...],
    requests: bool,
) -> None:
    """Show, plot or export what was sampled during the experiment ID.

    ID may be the beginning of an id, 'latest', or a config's name: then its latest experiment.
    A plot keeps every peak; a CSV file holds every sample.
    """
    from llenergymeasure.cli.arguments.questions import may_replace
    from llenergymeasure.cli.display.timeseries import show_summaries
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.durable import write_output
    from llenergymeasure.orchestration.stored.inventory import Places, find_experiment
    from llenergymeasure.orchestration.stored.timeseries import (
        Choice,
        as_file,
        choose_tracks,
        find_results,
        summaries,
    )

    options = current()
    chosen = _format(form, output, as_json=options.json)
    places = Places(options.choose_results_dir(), state_dir(), bool(options.results_dir))
    entry = find_experiment(experiment_id, places, note_to(options))
    found = find_results(entry)
    for fault in found.faults:
        tell_fault("Left out:", fault)
    tracks = choose_tracks(
        entry, found.results, Choice(cycle, process_index, quantities, devices, requests)
    )
    if chosen is None:
        show_summaries(entry.experiment_id, summaries(tracks), options)
        return
    content = as_file(entry, tracks, chosen)
    if output is None:
        write_table(content)
        return
    may_replace(output, options)
    write_output(output, content)
    samples = sum(len(track.series.values) for track in tracks)
    if options.json:
        write_json({"written": str(output), "series": len(tracks), "samples": samples})
    if not options.quiet:
        say(f"written: {output} ({len(tracks)} series, {samples} samples)", options)


def _format(form: str | None, output: Path | None, *, as_json: bool) -> str | None:
    """The format of the file; None where a table is wanted."""
    known = ", ".join(f".{name}" for name in _FORMS)
    if output is None:
        if form is not None and (form != "csv" or as_json):
            raise click.UsageError(f"Name a file for {form} with --output.")
        return form
    suffix = output.suffix.removeprefix(".").lower()
    if form is None and suffix not in _FORMS:
        kind = f"A .{suffix} file" if suffix else "A file without a suffix"
        raise click.UsageError(f"{kind} cannot be written; end the name in {known}.")
    return form or suffix
