"""``lem results prune``: forget experiments of which nothing is left."""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.cli.arguments.questions import can_ask
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.config.runtime_env import state_dir
from llenergymeasure.exceptions import ConfigurationError
from llenergymeasure.orchestration.stored.inventory import Places
from llenergymeasure.orchestration.stored.pruning import find_lost, forget


@click.command("prune", epilog=end_help("lem results prune --dry-run", "lem results prune --yes"))
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
@global_options
def prune(dry_run: bool) -> None:
    """Remove the entries of experiments whose results are gone; asks first.

    An entry is a small file in .state, or where LLM_ENERGY_STATE_DIR says. No result is touched:
    those on a disk that is not mounted now can still be shown, by id, once it is.
    """
    options = current()
    places = Places(options.choose_results_dir(), state_dir(), bool(options.results_dir))
    lost = find_lost(places)
    for entry in lost:
        name = f" ({entry.config_name})" if entry.config_name else ""
        say(f"{entry.experiment_id}{name}: {entry.reason}", options)
    ids = [entry.experiment_id for entry in lost]
    if dry_run or not lost:
        if options.json:
            write_json({"would_remove": ids} if dry_run else {"removed": []})
        if not lost:
            say("nothing to remove: every experiment has files", options)
        return
    what = "1 entry" if len(lost) == 1 else f"{len(lost)} entries"
    if not options.yes:
        if not can_ask() or options.json:
            raise ConfigurationError(
                f"{what} would be removed, and nobody can be asked",
                hint="remove with --yes, or only look with --dry-run",
            )
        if not click.confirm(f"Remove {what} from {places.state_dir}?", err=True):
            say("left as it was", options)
            return
    removed = forget(ids, places)
    if options.json:
        write_json({"removed": removed})
    say(f"removed: {len(removed)}", options)
