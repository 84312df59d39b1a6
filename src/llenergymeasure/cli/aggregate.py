"""``lem aggregate``: from raw results to an aggregate."""

from __future__ import annotations

import sys

import click

from llenergymeasure.cli.arguments import completion
from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import GlobalOptions, current, global_options
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import note_to, say, tell_fault
from llenergymeasure.config.runtime_env import state_dir
from llenergymeasure.constants import EXIT_RUN_FAILED
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.orchestration import runner
from llenergymeasure.orchestration.planning import RunOptions
from llenergymeasure.orchestration.stored.entry import ExperimentEntry, Trouble
from llenergymeasure.orchestration.stored.inventory import Places, find_experiment, list_experiments


@click.command(
    epilog=end_help(
        "lem aggregate",
        "lem aggregate latest --yes",
        failed="an experiment could not be aggregated",
    )
)
@click.argument(
    "experiment_id", required=False, metavar="[ID]", shell_complete=completion.experiments
)
@global_options
def aggregate(experiment_id: str | None) -> None:
    """Aggregate the experiment ID, or every one that is measured and not aggregated yet.

    ID may be the beginning of an id, 'latest', or a config's name: then its latest experiment.
    Asks before it replaces an aggregate.
    """
    options = current()
    places = Places(options.choose_results_dir(), state_dir(), bool(options.results_dir))
    if experiment_id is None:
        _aggregate_all(places, options)
    else:
        _aggregate_one(find_experiment(experiment_id, places, note_to(options)), places, options)


def _aggregate_one(entry: ExperimentEntry, places: Places, options: GlobalOptions) -> None:
    from llenergymeasure.cli.display.outcome import show_result

    overwrite = options.yes
    if entry.is_finished and not overwrite and _may_ask(options):
        question = f"{entry.experiment_id} is aggregated already. Overwrite its aggregate?"
        if not click.confirm(question, err=True):
            say("left as it was", options)
            return
        overwrite = True
    chosen = RunOptions(entry.results_dir, places.state_dir)
    result = runner.aggregate(entry, chosen, overwrite=overwrite)
    show_result(result, options, entry.results_dir, f"lem results show {entry.experiment_id}")


def _may_ask(options: GlobalOptions) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and not options.json


def _aggregate_all(places: Places, options: GlobalOptions) -> None:
    waiting = [
        entry
        for entry in list_experiments(places, include_unfinished=True)
        # What has lost its files is told, not passed over.
        if entry.waits or isinstance(entry.status, Trouble)
    ]
    done: list[str] = []
    failed: list[dict[str, str]] = []
    for entry in waiting:
        chosen = RunOptions(entry.results_dir, places.state_dir)
        try:
            runner.aggregate(entry, chosen)
        except LLEnergyMeasureError as error:
            failed.append({"experiment_id": entry.experiment_id, "message": error.message})
            tell_fault("Not aggregated:", error)
        else:
            done.append(entry.experiment_id)
            if not options.quiet:
                say(f"{entry.experiment_id}: aggregated", options)
    if options.json:
        write_json({"aggregated": done, "failed": failed})
    if not waiting and not options.quiet:
        say("nothing waits to be aggregated", options)
    if failed:
        click.get_current_context().exit(EXIT_RUN_FAILED)
