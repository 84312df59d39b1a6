"""Where results lie.

    raw/<id>/process_N.json         one process (with several cycles in raw/<id>/cycle_C/)
    raw/<id>/requests_N.parquet     its requests
    raw/<id>/.completed_N           written last; holds the SHA-256 of process_N.json
    aggregated/<id>.json

A result counts only with a marker that fits it, so a torn or edited file is never taken for one.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from llenergymeasure.constants import COMPLETION_MARKER_PREFIX, RESULT_SCHEMA_VERSION
from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.durable import write_text
from llenergymeasure.exceptions import StorageError, UnknownExperimentError
from llenergymeasure.results.migrations import migrated
from llenergymeasure.results.requests_table import read_requests, write_requests
from llenergymeasure.security import contained, is_safe_id, safe_id

M = TypeVar("M", bound=BaseModel)

_MARKER = re.compile(re.escape(COMPLETION_MARKER_PREFIX) + r"(\d+)")
_CYCLE = re.compile(r"cycle_(\d+)")


class Repository(ABC):
    """What orchestration asks of a store of results."""

    @abstractmethod
    def save_raw(
        self, result: RawProcessResult, traces: Sequence[RequestTrace], *, cycles_planned: int
    ) -> None:
        """Store one process and cycle, requests included; it counts only once all is stored."""

    @abstractmethod
    def load_raw(self, experiment_id: str) -> list[RawProcessResult]:
        """All results that are whole, by cycle and process; empty if there are none."""

    @abstractmethod
    def load_traces(self, result: RawProcessResult) -> list[RequestTrace]:
        """The requests of one stored result."""

    @abstractmethod
    def save_aggregated(self, result: AggregatedResult) -> None:
        """Store an aggregate, over an older one of the same experiment."""

    @abstractmethod
    def load_aggregated(self, experiment_id: str) -> AggregatedResult:
        """One aggregate.

        Raises:
            UnknownExperimentError: There is none.
        """

    @abstractmethod
    def aggregated_ids(self) -> list[str]:
        """Ids of all stored aggregates, sorted."""

    def completed_cycles(self, experiment_id: str) -> set[int]:
        """The cycles of which every process has a whole result."""
        found: dict[int, set[int]] = {}
        expected: dict[int, int] = {}
        for raw in self.load_raw(experiment_id):
            found.setdefault(raw.cycle, set()).add(raw.process_index)
            expected[raw.cycle] = raw.process_count
        return {cycle for cycle, indices in found.items() if indices == set(range(expected[cycle]))}


class FileSystemRepository(Repository):
    """Results as files (layout at the module's head); every write is atomic."""

    def __init__(self, results_dir: Path) -> None:
        self._base = results_dir

    def save_raw(
        self, result: RawProcessResult, traces: Sequence[RequestTrace], *, cycles_planned: int
    ) -> None:
        """See ``Repository``."""
        folder = self._raw_dir(result.experiment_id)
        if cycles_planned > 1:
            folder = folder / f"cycle_{result.cycle}"
        index = result.process_index
        requests = folder / f"requests_{index}.parquet"
        write_requests(requests, traces, cycle=result.cycle, process_index=index)
        stored = result.model_copy(
            update={"requests_file": str(requests.relative_to(self._base / "raw"))}
        )
        text = stored.model_dump_json(indent=2)
        path = folder / f"process_{index}.json"
        write_text(path, text)
        marker = {
            "schema_version": RESULT_SCHEMA_VERSION,
            "process_index": index,
            "cycle": result.cycle,
            "file": path.name,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "completed_at": datetime.now(UTC).isoformat(),
        }
        write_text(folder / f"{COMPLETION_MARKER_PREFIX}{index}", json.dumps(marker, indent=2))

    def load_raw(self, experiment_id: str) -> list[RawProcessResult]:
        """See ``Repository``."""
        folder = self._raw_dir(experiment_id)
        folders = [folder, *(f for f in folder.glob("cycle_*") if _CYCLE.fullmatch(f.name))]
        results = [
            result
            for place in folders
            for marker in place.glob(f"{COMPLETION_MARKER_PREFIX}*")
            if (result := self._whole(marker)) is not None
        ]
        return sorted(results, key=lambda raw: (raw.cycle, raw.process_index))

    def _whole(self, marker: Path) -> RawProcessResult | None:
        """The result that a marker vouches for; None if it does not fit."""
        index = _MARKER.fullmatch(marker.name)
        if index is None:
            return None
        path = marker.with_name(f"process_{index[1]}.json")
        try:
            vouched = json.loads(marker.read_bytes())["sha256"]
            content = path.read_bytes()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if hashlib.sha256(content).hexdigest() != vouched:
            return None
        return _parsed(RawProcessResult, content, path)

    def load_traces(self, result: RawProcessResult) -> list[RequestTrace]:
        """See ``Repository``."""
        if result.requests_file is None:
            raise StorageError(f"a result of {result.experiment_id} names no requests file")
        return read_requests(contained(self._base / "raw", result.requests_file))

    def save_aggregated(self, result: AggregatedResult) -> None:
        """See ``Repository``."""
        path = self._aggregated_path(result.experiment_id)
        write_text(path, result.model_dump_json(indent=2))

    def load_aggregated(self, experiment_id: str) -> AggregatedResult:
        """See ``Repository``."""
        path = self._aggregated_path(experiment_id)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise UnknownExperimentError(
                f"there is no aggregated result of experiment {experiment_id!r}",
                hint="list what there is with: lem results list --all",
            ) from error
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error
        return _parsed(AggregatedResult, content, path)

    def aggregated_ids(self) -> list[str]:
        """See ``Repository``."""
        files = (self._base / "aggregated").glob("*.json")
        return sorted(path.stem for path in files if is_safe_id(path.stem))

    def _raw_dir(self, experiment_id: str) -> Path:
        return contained(self._base, "raw", safe_id(experiment_id))

    def _aggregated_path(self, experiment_id: str) -> Path:
        return contained(self._base, "aggregated", f"{safe_id(experiment_id)}.json")


class MemoryRepository(Repository):
    """Results that live as long as this process; for trying things out and for tests."""

    def __init__(self) -> None:
        self._raw: dict[tuple[str, int, int], tuple[RawProcessResult, list[RequestTrace]]] = {}
        self._aggregated: dict[str, AggregatedResult] = {}

    def save_raw(
        self, result: RawProcessResult, traces: Sequence[RequestTrace], *, cycles_planned: int
    ) -> None:
        """See ``Repository``."""
        cycle = f"cycle_{result.cycle}/" if cycles_planned > 1 else ""
        name = f"{safe_id(result.experiment_id)}/{cycle}requests_{result.process_index}.parquet"
        key = (result.experiment_id, result.cycle, result.process_index)
        self._raw[key] = (result.model_copy(update={"requests_file": name}), list(traces))

    def load_raw(self, experiment_id: str) -> list[RawProcessResult]:
        """See ``Repository``."""
        safe_id(experiment_id)
        return [raw for key, (raw, _) in sorted(self._raw.items()) if key[0] == experiment_id]

    def load_traces(self, result: RawProcessResult) -> list[RequestTrace]:
        """See ``Repository``."""
        key = (result.experiment_id, result.cycle, result.process_index)
        if key not in self._raw:
            raise StorageError(f"no requests are stored for {result.experiment_id}")
        return list(self._raw[key][1])

    def save_aggregated(self, result: AggregatedResult) -> None:
        """See ``Repository``."""
        self._aggregated[safe_id(result.experiment_id)] = result

    def load_aggregated(self, experiment_id: str) -> AggregatedResult:
        """See ``Repository``."""
        if safe_id(experiment_id) not in self._aggregated:
            raise UnknownExperimentError(
                f"there is no aggregated result of experiment {experiment_id!r}",
                hint="list what there is with: lem results list --all",
            )
        return self._aggregated[experiment_id]

    def aggregated_ids(self) -> list[str]:
        """See ``Repository``."""
        return sorted(self._aggregated)


def _parsed(model: type[M], content: bytes, path: Path) -> M:
    try:
        data: Any = json.loads(content)
        if not isinstance(data, dict):
            raise ValueError("it holds no JSON object")
        return model.model_validate(migrated(data, str(path)))
    except (ValueError, ValidationError) as error:
        raise StorageError(f"cannot read {path}: {error}") from error
