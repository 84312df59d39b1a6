"""``lem doctor``: is this machine ready?"""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.cli.display.checks import show_checks
from llenergymeasure.cli.display.progress import tell_slow
from llenergymeasure.config.runtime_env import state_dir
from llenergymeasure.constants import EXIT_RUN_FAILED
from llenergymeasure.orchestration.machine.checks import CheckState, worst
from llenergymeasure.orchestration.machine.doctor import examine


@click.command(
    epilog=end_help("lem doctor", "lem --json doctor", failed="something that is needed is broken")
)
@global_options
def doctor() -> None:
    """Check that this machine is ready: engines, sensors, load, folders, disk."""
    options = current()
    if not options.quiet:
        click.echo("looking (engines are imported, the energy source is read) ...", err=True)
    with tell_slow("still looking", options):
        checks = examine(options.choose_results_dir(), state_dir())
    show_checks(checks, options)
    if worst(checks) is CheckState.FAILED:
        click.get_current_context().exit(EXIT_RUN_FAILED)
