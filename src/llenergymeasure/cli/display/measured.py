"""What a command cost, as a person would tell it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.console import Console

from llenergymeasure.cli.display.energy import energy_rows
from llenergymeasure.cli.display.result import VERDICTS, explain_validity, validity_rows
from llenergymeasure.cli.display.text.console import prose_width
from llenergymeasure.cli.display.text.lines import Row
from llenergymeasure.cli.display.text.numbers import seconds
from llenergymeasure.cli.display.text.shortening import shorten
from llenergymeasure.orchestration.metering.command import MeasuredCommand


def print_measured(to: Console, measured: MeasuredCommand) -> None:
    """Print time, joules with their origin, and the verdict."""
    style = VERDICTS[measured.validity.status][1]
    for line in explain_validity(_rows(measured), prose_width(to), style):
        to.print(line, soft_wrap=True)


def _rows(measured: MeasuredCommand) -> Iterator[Row]:
    yield "Command", shorten(shlex.join(measured.command))
    yield "Exit code", str(measured.exit_code)
    yield "Time", seconds(measured.duration_s)
    for label, value in energy_rows(measured.energy):
        # There are no tokens to divide by.
        if not label.strip().startswith("per "):
            yield label, value
    yield from validity_rows(measured.validity)
