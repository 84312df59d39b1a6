"""The contract of a store of results. Two keep it: ``repository`` (files) and ``memory``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.exceptions import StorageError, UnknownExperimentError


class Repository(ABC):
    """What orchestration asks of a store of results.

    A result is *whole* once all of it is stored, its requests included; only whole ones are ever
    given out. Every method raises ConfigurationError for an id that cannot name a file.
    """

    @abstractmethod
    def save_raw(
        self,
        result: RawProcessResult,
        traces: Sequence[RequestTrace],
        *,
        cycles_planned: int,
        series: Sequence[SampleSeries] = (),
    ) -> None:
        """Store one process and cycle; ``cycles_planned`` decides the layout.

        A series without a finite value is left out.

        Raises:
            StorageError: It cannot be written, or is there already: finished work is not
                overwritten (see ``discard_cycle``).
        """

    @abstractmethod
    def load_raw(self, experiment_id: str) -> list[RawProcessResult]:
        """All results that are whole, by cycle and process; empty if there are none.

        Raises:
            StorageError: One of them cannot be read, or belongs elsewhere.
            SchemaVersionError: A newer version wrote one of them.
        """

    @abstractmethod
    def load_traces(self, result: RawProcessResult) -> list[RequestTrace]:
        """The requests of one stored result, in the order in which they were saved.

        Raises:
            StorageError: They are not stored, or damaged.
        """

    @abstractmethod
    def load_series(self, result: RawProcessResult) -> list[SampleSeries]:
        """What was sampled during one stored result, in the order it was saved; empty if nothing.

        Raises:
            StorageError: It was saved, and is damaged or gone.
        """

    @abstractmethod
    def discard_cycle(self, experiment_id: str, cycle: int) -> None:
        """Forget what is stored of one cycle, so that it can be measured again as a whole."""

    @abstractmethod
    def save_aggregated(self, result: AggregatedResult) -> None:
        """Store an aggregate, over an older one of the same experiment."""

    @abstractmethod
    def load_aggregated(self, experiment_id: str) -> AggregatedResult:
        """One aggregate.

        Raises:
            UnknownExperimentError: There is none.
            StorageError: It cannot be read.
        """

    @abstractmethod
    def aggregated_ids(self) -> list[str]:
        """Ids of all stored aggregates, sorted."""

    def has_raw(self, experiment_id: str) -> bool:
        """Whether there is at least one whole result."""
        return bool(self.load_raw(experiment_id))

    def completed_cycles(self, experiment_id: str) -> set[int]:
        """The cycles of which every process has a whole result."""
        return find_complete(self.load_raw(experiment_id))


def find_complete(results: Sequence[RawProcessResult]) -> set[int]:
    """The cycles of which every process is among the results."""
    found: dict[int, set[int]] = {}
    expected: dict[int, int] = {}
    for raw in results:
        found.setdefault(raw.cycle, set()).add(raw.process_index)
        expected[raw.cycle] = max(raw.process_count, expected.get(raw.cycle, 0))
    return {cycle for cycle, indices in found.items() if indices == set(range(expected[cycle]))}


def no_aggregate(experiment_id: str) -> UnknownExperimentError:
    """The error for an aggregate that is not there."""
    return UnknownExperimentError(
        f"there is no aggregated result of experiment {experiment_id!r}",
        hint="list what there is with: lem results list --all",
    )


def already_saved(result: RawProcessResult) -> StorageError:
    """The error for a result that would overwrite a finished one."""
    return StorageError(
        f"process {result.process_index} of cycle {result.cycle} of {result.experiment_id} "
        "is stored already, and finished work is not overwritten",
        hint="measure it as a new experiment, or discard the cycle first",
    )
