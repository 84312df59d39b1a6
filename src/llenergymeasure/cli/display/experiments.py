"""Lists of experiments."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from textwrap import shorten as shorten_text
from typing import Any

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.cli.display.text.numbers import MISSING, count, joules_cell, significant
from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.orchestration.stored.entry import (
    ExperimentEntry,
    ResultSummary,
    Trouble,
)
from llenergymeasure.orchestration.stored.inventory import Places, log_file

_MOST_REASON = 44


def show_entries(
    entries: Sequence[ExperimentEntry],
    places: Places,
    options: GlobalOptions,
    *,
    everything: bool,
    of: int,
) -> None:
    """Show the aggregated experiments, or all of them, chosen from ``of`` that are there."""
    finished = [entry for entry in entries if entry.is_finished]
    shown = list(entries) if everything else finished
    if options.json:
        write_json([_data(entry) for entry in shown])
        return
    if shown:
        from llenergymeasure.cli.display.text.console import console
        from llenergymeasure.cli.display.text.tables import KEPT, Column, print_table

        columns = [
            Column("id"),
            Column("config", keep=KEPT),
            Column("status", keep=KEPT if everything else 1),
            Column("cycles", numeric=True, keep=2),
            Column("output tokens/s", numeric=True, keep=5),
            Column("J/cycle", numeric=True, keep=6),
            Column("J/output token", numeric=True, keep=7),
            Column("verdict", keep=4 if everything else KEPT),
        ]
        if everything:
            columns.append(Column("reason", keep=KEPT, wraps=True))
        print_table(console(), columns, [_cells(entry, everything) for entry in shown])
    elif of > len(entries):
        say(f"no experiment fits ({count(of)} without the filters)", options)
    else:
        say(f"no results in {places.results_dir} yet; try: lem experiment CONFIG", options)
    left_out = [] if everything else [entry for entry in entries if not entry.is_finished]
    if left_out and not options.quiet:
        lost = sum(isinstance(entry.status, Trouble) for entry in left_out)
        words = f" ({lost} damaged or gone)" if lost else ""
        say(f"{len(left_out)} more without a result{words}: lem results list --all", options)


def show_entry(entry: ExperimentEntry, options: GlobalOptions) -> None:
    """Show an experiment that has no aggregate: where it stands, why, and what to do."""
    if options.json:
        write_json(_data(entry))
        return
    running = f" (PID {entry.pid})" if entry.pid else ""
    say(f"experiment {entry.experiment_id}: {entry.status}{running}", options)
    rows = {
        "config": entry.config_name or MISSING,
        "created": _time(entry.created_at),
        "cycles": f"{_cycles(entry)} done",
        "reason": entry.reason or MISSING,
        "log": str(log_file(entry.results_dir, entry.experiment_id)),
        "next": _next(entry),
    }
    for label, value in rows.items():
        say(f"  {label:<8} {value}", options, hang=11)


def _next(entry: ExperimentEntry) -> str:
    step = entry.next or MISSING
    # The same config would fail in the same way.
    failed = entry.status is ExperimentStatus.FAILED
    return f"once the reason is mended outside the config: {step}" if failed else step


def _data(entry: ExperimentEntry) -> dict[str, Any]:
    return {f.name: getattr(entry, f.name) for f in dataclasses.fields(entry)}


def _cells(entry: ExperimentEntry, everything: bool) -> list[str]:
    summary = entry.summary
    cells = [
        entry.experiment_id,
        entry.config_name or MISSING,
        str(entry.status),
        _cycles(entry),
        significant(summary.output_tokens_per_s) if summary else MISSING,
        *(_energy_cells(summary) if summary else (MISSING, MISSING)),
        str(summary.validity) if summary else MISSING,
    ]
    return [*cells, _begin(entry.reason or "")] if everything else cells


def _begin(reason: str) -> str:
    """What fits into three lines of a narrow column; ``results show`` has the whole."""
    return shorten_text(reason, _MOST_REASON, placeholder=" ...")


def _energy_cells(summary: ResultSummary) -> tuple[str, str]:
    """What compares between runs: sums over different numbers of cycles would not."""
    per_token_j, half_j = summary.j_per_output_token, summary.j_per_output_token_uncertainty
    return (
        joules_cell(summary.j_per_cycle, summary.j_per_cycle_uncertainty, summary.energy_origin),
        joules_cell(per_token_j, half_j, summary.energy_origin),
    )


def _cycles(entry: ExperimentEntry) -> str:
    return f"{count(entry.cycles_done)}/{count(entry.planned_cycles)}"


def _time(moment: datetime | None) -> str:
    return MISSING if moment is None else moment.astimezone().isoformat(" ", "seconds")
