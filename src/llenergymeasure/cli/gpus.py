"""``lem gpus``: the GPUs here, and how their energy can be measured."""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options


@click.command(epilog=end_help("lem gpus"))
@global_options
def gpus() -> None:
    """List the GPUs that NVIDIA's driver shows, and how the energy of each can be measured.

    Each is measured for a moment, to see how often its sensor is updated. "shortest window" is how
    long a measurement has to be for an error of at most 1 % from the rate of updates.
    For AMD GPUs see: lem backends.
    """
    from llenergymeasure.cli.display.gpus import show_gpus
    from llenergymeasure.cli.display.progress import tell_slow
    from llenergymeasure.orchestration.machine.gpus import look_at_gpus

    options = current()
    with tell_slow("measuring each GPU for a moment", options):
        report = look_at_gpus()
    show_gpus(report, options)
