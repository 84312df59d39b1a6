"""What time series an experiment has, as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.console import console
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.cli.display.text.numbers import MISSING, milliseconds, significant
from llenergymeasure.cli.display.text.tables import KEPT, Column, print_table

if TYPE_CHECKING:
    from llenergymeasure.results.plots.tracks import TrackSummary

Cell = Callable[["TrackSummary"], str]


def show_summaries(
    experiment_id: str, found: Sequence[TrackSummary], options: GlobalOptions
) -> None:
    """A line a series: how many samples, how often, lowest, mean, highest."""
    from llenergymeasure.results.plots.chart import axis_title

    if options.json:
        write_json({"experiment_id": experiment_id, "series": list(found)})
        return
    shown = _columns(found)
    rows = [[cell(one) for _, cell in shown] for one in found]
    print_table(console(), [column for column, _ in shown], rows)
    if not options.quiet:
        for quantity in dict.fromkeys(one.quantity for one in found):
            # A percentage alone does not say of what.
            if quantity.endswith("_percent"):
                say(f"{quantity}: {axis_title(quantity)}", options)
        say(f"plot them with: lem results timeseries {experiment_id} -o FILE.png", options)


def _columns(found: Sequence[TrackSummary]) -> list[tuple[Column, Cell]]:
    several_cycles = len({one.cycle for one in found}) > 1
    several_processes = len({one.process_index for one in found}) > 1
    labelled = any(one.origin for one in found)
    columns: list[tuple[bool, Column, Cell]] = [
        (True, Column("device"), lambda one: one.device),
        (True, Column("quantity", keep=KEPT), lambda one: one.quantity),
        (labelled, Column("is", keep=KEPT), lambda one: one.origin or "measured"),
        (several_cycles, Column("cycle", numeric=True), lambda one: str(one.cycle)),
        (several_processes, Column("process", numeric=True), lambda one: str(one.process_index)),
        (True, Column("samples", numeric=True, keep=4), lambda one: f"{one.samples:,}"),
        (True, Column("every", numeric=True, keep=3), _every),
        (True, Column("min", numeric=True, keep=6), lambda one: significant(one.min)),
        (True, Column("mean", numeric=True, keep=7), lambda one: significant(one.mean)),
        (True, Column("max", numeric=True, keep=6), lambda one: significant(one.max)),
    ]
    return [(column, cell) for wanted, column, cell in columns if wanted]


def _every(one: TrackSummary) -> str:
    return MISSING if one.interval_s is None else milliseconds(one.interval_s * 1e3)
