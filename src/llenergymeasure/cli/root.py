"""``lem`` itself: which commands there are, found by name, imported when called."""

from __future__ import annotations

import click

from llenergymeasure.cli.lazy import LazyGroup
from llenergymeasure.cli.options import global_options, version_option

COMMANDS = {
    "experiment": ("llenergymeasure.cli.experiment:experiment", "Measure one config."),
    "aggregate": ("llenergymeasure.cli.aggregate:aggregate", "Aggregate measured experiments."),
    "results": ("llenergymeasure.cli.results:results", "List and show results."),
    "config": ("llenergymeasure.cli.config:config", "Check and show config files."),
    "backends": ("llenergymeasure.cli.backends:backends", "List what can run and measure here."),
    "doctor": ("llenergymeasure.cli.doctor:doctor", "Check that this machine is ready."),
}

_EPILOG = (
    "Start with: lem experiment configs/examples/demo.yaml. "
    "Global options may stand before or after a command. "
    "Exit codes: 0 done, 1 failed, 2 wrong input, 130 interrupted."
)


@click.group(cls=LazyGroup, commands_table=COMMANDS, epilog=_EPILOG)
@version_option
@global_options
def lem() -> None:
    """Measure LLM inference: energy, throughput, latency, and a verdict on the result."""
