"""Choosing and ordering experiments: filters, sort, and the rows that are exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.orchestration.stored.entry import ExperimentEntry
from llenergymeasure.results.exporters import Row, experiment_row, process_row
from llenergymeasure.results.repository import FileSystemRepository

SORT_KEYS = (
    "created",
    "config",
    "model",
    "output_tokens_per_s",
    "total_j",
    "j_per_output_token",
    "validity",
)


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


def export_rows(entries: Sequence[ExperimentEntry], *, raw: bool) -> list[Row]:
    """A row an experiment, or with ``raw`` one for each process and cycle.

    Raises:
        StorageError: A stored result cannot be read.
    """
    rows: list[Row] = []
    for entry in entries:
        repository = FileSystemRepository(entry.results_dir)
        if raw:
            rows += [process_row(result) for result in repository.load_raw(entry.experiment_id)]
        elif entry.status is ExperimentStatus.AGGREGATED:
            rows.append(experiment_row(repository.load_aggregated(entry.experiment_id)))
    return rows


def _fits(entry: ExperimentEntry, selection: Selection) -> bool:
    summary = entry.summary
    if selection.config and not fnmatchcase(entry.config_name or "", selection.config):
        return False
    if not (selection.model or selection.backend or selection.validity):
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
