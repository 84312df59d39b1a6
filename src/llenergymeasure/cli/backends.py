"""``lem backends``: what can run and measure here."""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.constants import EXIT_RUN_FAILED


@click.command(
    epilog=end_help(
        "lem backends",
        "lem backends --check echo",
        "lem backends --check nvml,rapl --config llama.yaml",
        failed="a check failed",
    )
)
@click.option(
    "--check",
    "name",
    metavar="NAME[,NAME]...",
    help="Run lem's conformance tests on these backends; auto: on all that auto uses. They test "
    "the "
    "backend, not whether a sensor is here.",
)
@click.option(
    "--config",
    "file",
    metavar="FILE",
    help="With --check: take the backend's options from this config.",
)
@global_options
def backends(name: str | None, file: str | None) -> None:
    """List inference and energy backends: where each comes from, and what is missing here.

    Each energy backend is read for a moment. ok: it works here. installed: it was not tried. not
    there: it cannot be used here, and why.
    """
    from llenergymeasure.cli.display.backends import show_backends, show_checks
    from llenergymeasure.cli.display.progress import tell_slow
    from llenergymeasure.orchestration.machine.backends import (
        check_backend,
        list_backends,
        try_energy_backends,
    )

    options = current()
    if name is None:
        if file is not None:
            raise click.UsageError("--config goes with --check NAME.")
        with tell_slow("reading each energy source for a moment", options):
            entries = try_energy_backends(list_backends())
        show_backends(entries, options)
        return
    from llenergymeasure.config.loader import load_config

    config = None if file is None else load_config(file)
    with tell_slow(f"checking {name}", options):
        checks = check_backend(name, config)
    show_checks(name, checks, options)
    if not all(check.passed for check in checks):
        click.get_current_context().exit(EXIT_RUN_FAILED)
