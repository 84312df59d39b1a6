"""``lem results``: what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.lazy import LazyGroup
from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.cli.arguments.selecting import selection_options

if TYPE_CHECKING:
    from llenergymeasure.orchestration.stored.selection import Selection

COMMANDS = {
    "list": ("llenergymeasure.cli.results:list_results", "List experiments."),
    "show": ("llenergymeasure.cli.results:show_result", "Show one experiment."),
    "timeseries": (
        "llenergymeasure.cli.timeseries:timeseries",
        "Show, plot or export what was sampled.",
    ),
    "prune": ("llenergymeasure.cli.prune:prune", "Remove entries whose results are gone."),
    "export": ("llenergymeasure.cli.export:export", "Export results as a table."),
}


@click.group(cls=LazyGroup, commands_table=COMMANDS)
@global_options
def results() -> None:
    """List, show, plot, export and prune results."""


@click.command(
    "list",
    epilog=end_help(
        "lem results list",
        "lem results list --all --sort j_per_cycle --reverse",
        "lem results list --model '*llama*' --validity valid",
    ),
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also those without an aggregate: running, unfinished, failed, damaged or gone.",
)
@selection_options
@global_options
def list_results(everything: bool, selection: Selection) -> None:
    """List the aggregated experiments, oldest first.

    Those of every results folder that was used from this one; with --results-dir only those
    in it.
    """
    from llenergymeasure.cli.display.experiments import show_entries
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.orchestration.stored.inventory import Places, list_experiments
    from llenergymeasure.orchestration.stored.selection import select_experiments

    options = current()
    places = Places(options.choose_results_dir(), state_dir(), bool(options.results_dir))
    found = list_experiments(places, include_unfinished=True)
    entries = select_experiments(found, selection)
    show_entries(entries, places, options, everything=everything, of=len(found))


@click.command("show", epilog=end_help("lem results show latest", "lem --json results show latest"))
@click.argument("experiment_id", metavar="ID", shell_complete=completion.experiments)
@global_options
def show_result(experiment_id: str) -> None:
    """Show the experiment ID: its result, or where it stands.

    ID may be the beginning of an id, 'latest', or a config's name: then its latest experiment.
    """
    from llenergymeasure.cli.display import experiments, outcome
    from llenergymeasure.cli.display.text.notices import note_to
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.orchestration.stored.entry import Trouble
    from llenergymeasure.orchestration.stored.inventory import (
        Places,
        explain,
        find_experiment,
        load_result,
    )

    options = current()
    places = Places(options.choose_results_dir(), state_dir(), bool(options.results_dir))
    entry = find_experiment(experiment_id, places, note_to(options))
    if isinstance(entry.status, Trouble):
        raise explain(entry)
    if entry.is_finished:
        result, _ = load_result(entry.experiment_id, places)
        command = f"lem --json results show {entry.experiment_id}"
        outcome.show_result(result, options, entry.results_dir, command)
    else:
        experiments.show_entry(entry, options)
