"""Results that live as long as this process; for trying things out and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.exceptions import StorageError
from llenergymeasure.results.base import Repository, already_saved, no_aggregate
from llenergymeasure.results.timeseries import finite_series
from llenergymeasure.security import safe_id

_Key = tuple[str, int, int]


@dataclass(frozen=True)
class _Stored:
    result: RawProcessResult
    traces: tuple[RequestTrace, ...]
    series: tuple[SampleSeries, ...]


class MemoryRepository(Repository):
    """Keeps the same promises as the files do, without files."""

    def __init__(self) -> None:
        self._raw: dict[_Key, _Stored] = {}
        self._aggregated: dict[str, AggregatedResult] = {}

    def save_raw(
        self,
        result: RawProcessResult,
        traces: Sequence[RequestTrace],
        *,
        cycles_planned: int,
        series: Sequence[SampleSeries] = (),
    ) -> None:
        """See ``Repository``."""
        folder = f"{safe_id(result.experiment_id)}/"
        if cycles_planned > 1:
            folder += f"cycle_{result.cycle}/"
        index = result.process_index
        kept = finite_series(series)
        names = {
            "requests_file": f"{folder}requests_{index}.parquet",
            "timeseries_file": f"{folder}timeseries_{index}.parquet" if kept else None,
        }
        key = _key(result)
        if key in self._raw:
            raise already_saved(result)
        self._raw[key] = _Stored(result.model_copy(update=names, deep=True), tuple(traces), kept)

    def load_raw(self, experiment_id: str) -> list[RawProcessResult]:
        """See ``Repository``."""
        safe_id(experiment_id)
        stored = sorted(key for key in self._raw if key[0] == experiment_id)
        return [self._raw[key].result.model_copy(deep=True) for key in stored]

    def load_traces(self, result: RawProcessResult) -> list[RequestTrace]:
        """See ``Repository``."""
        key = _key(result)
        if key not in self._raw:
            raise StorageError(f"no requests are stored for {result.experiment_id}")
        return list(self._raw[key].traces)

    def load_series(self, result: RawProcessResult) -> list[SampleSeries]:
        """See ``Repository``."""
        if result.timeseries_file is None:
            return []
        key = _key(result)
        if key not in self._raw:
            raise StorageError(f"no samples are stored for {result.experiment_id}")
        return list(self._raw[key].series)

    def discard_cycle(self, experiment_id: str, cycle: int) -> None:
        """See ``Repository``."""
        safe_id(experiment_id)
        for key in [key for key in self._raw if key[:2] == (experiment_id, cycle)]:
            del self._raw[key]

    def save_aggregated(self, result: AggregatedResult) -> None:
        """See ``Repository``."""
        self._aggregated[safe_id(result.experiment_id)] = result.model_copy(deep=True)

    def load_aggregated(self, experiment_id: str) -> AggregatedResult:
        """See ``Repository``."""
        if safe_id(experiment_id) not in self._aggregated:
            raise no_aggregate(experiment_id)
        return self._aggregated[experiment_id].model_copy(deep=True)

    def aggregated_ids(self) -> list[str]:
        """See ``Repository``."""
        return sorted(self._aggregated)


def _key(result: RawProcessResult) -> _Key:
    return result.experiment_id, result.cycle, result.process_index
