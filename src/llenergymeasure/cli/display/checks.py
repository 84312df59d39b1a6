"""What the doctor found."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.lines import fit_line
from llenergymeasure.cli.display.text.notices import color
from llenergymeasure.orchestration.machine.checks import Check, CheckState, worst
from llenergymeasure.security import printable

_COLORS = {
    CheckState.OK: "green",
    CheckState.ABSENT: None,
    CheckState.WARNING: "yellow",
    CheckState.FAILED: "red",
}
_STATE_WIDTH = max(map(len, CheckState))
_VERDICTS = {
    CheckState.OK: "ready to measure",
    CheckState.WARNING: "ready to run",
    CheckState.FAILED: "not ready",
}


def show_checks(checks: Sequence[Check], options: GlobalOptions) -> None:
    """Print each check with its state, and what to do where it is not ok."""
    state = worst(checks)
    if options.json:
        write_json({"status": state, "checks": checks})
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        if options.quiet and check.state in (CheckState.OK, CheckState.ABSENT):
            continue
        word = click.style(f"{check.state:<{_STATE_WIDTH}}", fg=_COLORS[check.state])
        hang = _STATE_WIDTH + 1 + width + 2
        detail = fit_line(printable(check.detail), sys.stdout, lead=hang, hang=hang)
        click.echo(f"{word} {check.name:<{width}}  {detail}", color=color())
        if check.hint:
            indented = " " * hang + printable(check.hint)
            click.echo(fit_line(indented, sys.stdout, hang=hang), color=color())
    click.echo(fit_line("; ".join([_VERDICTS[state], *_name_others(checks)]), sys.stdout))


def _name_others(checks: Sequence[Check]) -> Iterator[str]:
    """What is not ready, by its state, worst first."""
    for state in reversed(CheckState):
        names = [check.name for check in checks if check.state is state]
        if names and state is not CheckState.OK:
            yield f"{state}: {', '.join(names)}"
