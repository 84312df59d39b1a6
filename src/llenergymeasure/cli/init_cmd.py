"""``lem init``: look at what is here, ask, and write the user's file."""

from __future__ import annotations

from pathlib import Path

import click

from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import GlobalOptions, given, global_options
from llenergymeasure.cli.arguments.questions import can_ask, may_replace
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say

VERBOSITIES = ("quiet", "normal", "verbose")


@click.command(epilog=end_help("lem init", "lem init --non-interactive --results-dir measurements"))
@click.option(
    "--non-interactive", is_flag=True, help="Ask nothing: take options and defaults; so does --yes."
)
@click.option(
    "--verbosity",
    type=click.Choice(VERBOSITIES),
    default="normal",
    show_default=True,
    help="How much lem says.",
)
@global_options
def init(non_interactive: bool, verbosity: str) -> None:
    """Set up lem for this folder: writes .lem-config.yaml.

    The file may also hold `defaults:`, values for every config; a config file wins over them.
    """
    from llenergymeasure.config.user_config import USER_FILE, user_file_text
    from llenergymeasure.constants import DEFAULT_RESULTS_DIR

    # A user's file that cannot be read is one reason to write a new one.
    options = given()
    file = Path(USER_FILE)
    ask = not non_interactive and not options.yes
    if ask and not can_ask():
        raise click.UsageError("There is no terminal to ask at; use --non-interactive.")
    _show_what_is_here(options)
    may_replace(file, options, ask=ask, hint="replace it with --yes")
    results_dir = options.results_dir or DEFAULT_RESULTS_DIR
    if ask:
        results_dir = click.prompt("Folder of the results", default=results_dir, err=True)
        verbosity = click.prompt(
            "How much should lem say", type=click.Choice(VERBOSITIES), default=verbosity, err=True
        )
    text = user_file_text(results_dir, verbosity)
    from llenergymeasure.durable import write_text

    write_text(
        file, text, "call lem init in a folder that you may write, or free space on its disk"
    )
    if options.json:
        write_json({"written": str(file), "results_dir": results_dir, "verbosity": verbosity})
    if not options.quiet:
        say(f"written: {file}", options)
        say("next: lem config new first.yaml, then lem experiment first.yaml", options)


def _show_what_is_here(options: GlobalOptions) -> None:
    if options.quiet or options.json:
        return
    import platform

    from llenergymeasure.config.backend_detection import get_available_backends
    from llenergymeasure.config.docker_detection import is_inside_docker
    from llenergymeasure.core.machine.nvml_facts import nvml_gpus
    from llenergymeasure.deadline import StuckError
    from llenergymeasure.orchestration.machine.source_trial import try_automatic_sources

    try:
        gpus = [gpu.name for gpu in nvml_gpus()]
    except StuckError as stuck:
        gpus = [f"not known: NVIDIA's driver {stuck.message}"]
    lines = {
        "Python": platform.python_version(),
        "backends": ", ".join(get_available_backends()) or "none",
        "energy": "; ".join(f"{one.name} ({one.state})" for one in try_automatic_sources())
        or "none",
        "GPUs": ", ".join(gpus) or "none",
        "container": "yes" if is_inside_docker() else "no",
    }
    for label, value in lines.items():
        say(f"  {label:<10} {value}", options)
