"""``lem`` itself: which commands there are, found by name, imported when called."""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.lazy import LazyGroup
from llenergymeasure.cli.arguments.options import given, global_options, version_option

COMMANDS = {
    "experiment": (
        "llenergymeasure.cli.experiment:experiment",
        "Measure one config, or several in turn.",
    ),
    "aggregate": (
        "llenergymeasure.cli.aggregate:aggregate",
        "Sum up measured experiments (a run does it itself).",
    ),
    "measure": ("llenergymeasure.cli.measure:measure", "Measure the energy of any command."),
    "results": (
        "llenergymeasure.cli.results:results",
        "List, show, plot, export and prune results.",
    ),
    "explain": ("llenergymeasure.cli.explain:explain", "Explain a reason code of a verdict."),
    "config": ("llenergymeasure.cli.config:config", "Check, show and make config files."),
    "init": ("llenergymeasure.cli.init_cmd:init", "Set up lem for this folder."),
    "presets": ("llenergymeasure.cli.listing:presets", "List the presets."),
    "datasets": (
        "llenergymeasure.cli.listing:datasets",
        "List the datasets that have a short name.",
    ),
    "gpus": ("llenergymeasure.cli.gpus:gpus", "List the NVIDIA GPUs and how they can be measured."),
    "backends": ("llenergymeasure.cli.backends:backends", "List what can run and measure here."),
    "doctor": ("llenergymeasure.cli.doctor:doctor", "Check that this machine is ready."),
}

_EPILOG = end_help("lem experiment --preset quick-test --model builtin:tiny-llama", "lem doctor")
_EPILOG += "\n\nAll options but --version may also stand after a command, as far as it has them."


@click.group(cls=LazyGroup, commands_table=COMMANDS, epilog=_EPILOG)
@version_option
@global_options
def lem() -> None:
    """Measure LLM inference: energy, throughput, latency, and a verdict on the result."""
    from llenergymeasure.cli.display.text.notices import show_warnings
    from llenergymeasure.logging import show_stray_warnings

    options = given()
    show_stray_warnings(lambda text: show_warnings([text], options))
