"""Choosing and ordering experiments: filters, sort, and the rows that are exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from llenergymeasure.domain.experiment import AggregatedResult
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.orchestration.stored.entry import ExperimentEntry, Trouble
from llenergymeasure.orchestration.stored.inventory import explain
from llenergymeasure.orchestration.stored.lookup import look_at_aggregate, look_at_raw
from llenergymeasure.results.exporters import Row, experiment_row, process_row

SORT_KEYS = (
    "created",
    "config",
    "model",
    "output_tokens_per_s",
    "j_per_cycle",
    "j_per_output_token",
    "validity",
)


LeftOut = tuple[str, LLEnergyMeasureError]


@dataclass(frozen=True)
class Selection:
    """Which experiments, in which order. Patterns are shell patterns (``llama-*``).

    Attributes:
        config: Pattern of the config's name.
        model: Pattern of the model's name.
        backend: Name of the backend.
        validity: ``valid``, ``degraded`` or ``invalid``.
        sort: One of ``SORT_KEYS``.
        reverse: Largest or newest first.
        limit: At most so many, after sorting.
    """

    config: str | None = None
    model: str | None = None
    backend: str | None = None
    validity: str | None = None
    sort: str = "created"
    reverse: bool = False
    limit: int | None = None


def select_experiments(
    entries: Sequence[ExperimentEntry], selection: Selection
) -> list[ExperimentEntry]:
    """The entries that fit, sorted; those without a value to sort by come last."""
    fitting = [entry for entry in entries if _fits(entry, selection)]
    keyed = [(key, entry) for entry in fitting if (key := _key(entry, selection.sort)) is not None]
    without = [entry for entry in fitting if _key(entry, selection.sort) is None]
    keyed.sort(key=lambda pair: (pair[0], pair[1].experiment_id), reverse=selection.reverse)
    ordered = [entry for _, entry in keyed] + without
    return ordered if selection.limit is None else ordered[: selection.limit]


def export_rows(
    entries: Sequence[ExperimentEntry], *, raw: bool
) -> tuple[list[Row], list[LeftOut]]:
    """A row an experiment, or with ``raw`` one for each process and cycle; and what has none.

    What has none is an id with the reason, which is a ``StorageError`` if something is wrong.
    """
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    for entry in entries:
        if raw:
            found = look_at_raw(entry.experiment_id, entry.results_dir, entry.planned_cycles)
            rows += [process_row(result) for result in found.results]
            # The cycles that an unfinished one has not measured are no fault.
            faults = [explain(entry)] if entry.is_unfinished else found.faults
            left_out += [(entry.experiment_id, fault) for fault in faults]
        elif entry.is_finished:
            result = look_at_aggregate(entry.experiment_id, entry.results_dir)
            if isinstance(result, AggregatedResult):
                rows.append(experiment_row(result))
            else:
                left_out.append((entry.experiment_id, result))
        else:
            left_out.append((entry.experiment_id, explain(entry)))
    return rows, left_out


def _fits(entry: ExperimentEntry, selection: Selection) -> bool:
    summary = entry.summary
    is_lost = isinstance(entry.status, Trouble)
    named = entry.config_name is not None or not is_lost
    if selection.config and named and not fnmatchcase(entry.config_name or "", selection.config):
        return False
    if not (selection.model or selection.backend or selection.validity):
        return True
    if is_lost:  # it may be what is looked for
        return True
    # What has no result yet has no model to compare; a filter on it leaves it out.
    return (
        summary is not None
        and (not selection.model or fnmatchcase(summary.model, selection.model))
        # Shown with its version: "pytorch 5.23.0".
        and (not selection.backend or summary.backend.split(" ")[0] == selection.backend)
        and (not selection.validity or summary.validity == selection.validity)
    )


def _key(entry: ExperimentEntry, sort: str) -> str | float | None:
    if sort == "created":
        return entry.experiment_id
    if sort == "config":
        return entry.config_name
    return None if entry.summary is None else getattr(entry.summary, sort)
