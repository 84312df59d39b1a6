"""From the raw results of an experiment to its saved aggregate."""

from __future__ import annotations

from llenergymeasure.domain.experiment import AggregatedResult
from llenergymeasure.exceptions import StorageError
from llenergymeasure.orchestration.context import ExperimentContext
from llenergymeasure.results.aggregation import aggregate
from llenergymeasure.results.repository import FileSystemRepository


def aggregate_experiment(
    context: ExperimentContext, repository: FileSystemRepository
) -> AggregatedResult:
    """Aggregate what is stored, and store the aggregate.

    Raises:
        StorageError: A planned cycle is missing or damaged, or files cannot be read or written.
    """
    experiment_id = context.experiment_id
    done = repository.completed_cycles(experiment_id)
    missing = [c for c in range(1, context.planned_cycles + 1) if c not in done]
    if missing:
        words = ", ".join(map(str, missing))
        raise StorageError(
            f"experiment {experiment_id} has no whole result of cycle {words}",
            hint=f"measure it again with: lem experiment --resume {experiment_id}",
        )
    raws = repository.load_raw(experiment_id)
    traces = {(raw.cycle, raw.process_index): repository.load_traces(raw) for raw in raws}
    result = aggregate(
        raws,
        traces,
        planned_cycles=context.planned_cycles,
        config=context.config,
        provenance=context.provenance,
        created_at=context.created_at,
    )
    repository.save_aggregated(result)
    return result
