"""What the doctor found."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.lines import fit_line
from llenergymeasure.cli.display.text.notices import color
from llenergymeasure.orchestration.machine.checks import Check, CheckState, worst
from llenergymeasure.security import printable

_COLORS = {CheckState.OK: "green", CheckState.WARNING: "yellow", CheckState.FAILED: "red"}
_VERDICTS = {
    CheckState.OK: "ready to measure",
    CheckState.WARNING: "ready to measure, with the warnings above",
    CheckState.FAILED: "not ready: see what failed above",
}


def show_checks(checks: Sequence[Check], options: GlobalOptions) -> None:
    """Print each check with its state, and what to do where it is not ok."""
    state = worst(checks)
    if options.json:
        write_json({"status": state, "checks": checks})
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        if options.quiet and check.state is CheckState.OK:
            continue
        word = click.style(f"{check.state:<8}", fg=_COLORS[check.state])
        hang = width + 11
        detail = fit_line(printable(check.detail), sys.stdout, lead=hang, hang=hang)
        click.echo(f"{word} {check.name:<{width}}  {detail}", color=color())
        if check.hint:
            indented = " " * hang + printable(check.hint)
            click.echo(fit_line(indented, sys.stdout, hang=hang), color=color())
    click.echo(_VERDICTS[state])
