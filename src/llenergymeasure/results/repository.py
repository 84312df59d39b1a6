"""Where results lie.

    raw/<id>/requests_N.parquet     the requests of one process (several cycles: in cycle_C/)
    raw/<id>/timeseries_N.parquet   what the energy source sampled, if it did
    raw/<id>/process_N.json         its result
    raw/<id>/.completed_N           written last; holds the SHA-256 of all of them
    aggregated/<id>.json

A result counts only with a marker that fits it, so a torn or edited file is never taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.durable import read_stored, write_bytes, write_text
from llenergymeasure.exceptions import LLEnergyMeasureError, StorageError, UnknownExperimentError
from llenergymeasure.results.markers import (
    NotWholeError,
    list_names,
    list_processes,
    read_whole,
    requests_path,
    result_path,
    timeseries_path,
    whole_content,
    whole_samples,
    write_marker,
)
from llenergymeasure.results.migrations import AGGREGATED_MIGRATIONS, RAW_MIGRATIONS, parse_record
from llenergymeasure.results.requests_table import read_requests, write_requests
from llenergymeasure.results.timeseries import parse_series, write_series
from llenergymeasure.security import is_safe_id, resolve_within, safe_id

_CYCLE: Final = re.compile(r"cycle_([1-9][0-9]*)", re.ASCII)
# By one of these a folder is known as an experiment's.
_OURS: Final = re.compile(r"context_[0-9]+\.json|cycle_[0-9]+|process_[0-9]+\.json|\.completed_")
_OWN_FILE: Final = re.compile(
    r"(?:process_[0-9]+\.json|(?:requests|timeseries)_[0-9]+\.parquet|\.completed_[0-9]+)",
    re.ASCII,
)


class FileSystemRepository:
    """Results as files (layout at the module's head); every write is atomic.

    A result is *whole* once all of it is stored, its requests included; only whole ones are ever
    given out. Every method raises ConfigurationError for an id that cannot name a file.
    """

    def __init__(self, results_dir: Path) -> None:
        self._base = results_dir

    def raw_dir(self, experiment_id: str) -> Path:
        """The folder of one experiment's raw files."""
        return resolve_within(self._base, "raw", safe_id(experiment_id))

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
        folder = self.raw_dir(result.experiment_id)
        if cycles_planned > 1:
            folder = folder / f"cycle_{result.cycle}"
        index = result.process_index
        if whole_content(folder, index) is not None:
            raise _already_saved(result)
        requests = requests_path(folder, index)
        write_requests(requests, traces, cycle=result.cycle, process_index=index)
        samples = timeseries_path(folder, index)
        sampled = write_series(samples, series, result)
        names = {
            "requests_file": self._name(requests),
            "timeseries_file": self._name(samples) if sampled else None,
        }
        content = result.model_copy(update=names).model_dump_json(indent=2)
        write_bytes(result_path(folder, index), content.encode())
        write_marker(folder, result.cycle, index, content.encode(), sampled=sampled)

    def load_raw(self, experiment_id: str) -> list[RawProcessResult]:
        """All results that are whole, by cycle and process; empty if there are none.

        Raises:
            StorageError: One of them cannot be read, or belongs elsewhere.
            SchemaVersionError: A newer version wrote one of them.
        """
        results, faults = self.read_raw(experiment_id)
        for fault in faults:
            # One that is not whole was not finished, or is measured again.
            if not isinstance(fault, NotWholeError):
                raise fault
        return results

    def read_raw(self, experiment_id: str) -> tuple[list[RawProcessResult], list[StorageError]]:
        """All results that are whole, by cycle and process, and what is wrong with each other.

        Raises:
            StorageError: The folder cannot be read.
        """
        found: dict[tuple[int, int], RawProcessResult] = {}
        faults: list[StorageError] = []
        for folder, cycle in self._folders(experiment_id):
            for index in list_processes(folder):
                try:
                    raw = _read_one(folder, experiment_id, cycle, index)
                    if (cycle, index) in found:
                        raise StorageError(
                            f"{result_path(folder, index)} is a second result of cycle {cycle}, "
                            f"process {index}",
                            hint="move the copy out of the results folder",
                        )
                except StorageError as fault:
                    faults.append(fault)
                else:
                    found[cycle, index] = raw
        return [found[key] for key in sorted(found)], faults

    def holds(self, experiment_id: str) -> bool:
        """Whether anything of an experiment lies here."""
        try:
            paths = (self.raw_dir(experiment_id), self._aggregated_path(experiment_id))
            return any(path.exists() for path in paths)
        except (LLEnergyMeasureError, OSError):
            return False

    def raw_ids(self) -> list[str]:
        """Ids of all experiments with raw files, sorted."""
        folders = list_names(self._base / "raw")
        return sorted(n for n in folders if is_safe_id(n) and self._holds_something(n))

    def _holds_something(self, experiment_id: str) -> bool:
        try:
            names = list_names(self.raw_dir(experiment_id))
        except LLEnergyMeasureError:
            return False
        return any(_OURS.match(name) for name in names)

    def load_traces(self, result: RawProcessResult) -> list[RequestTrace]:
        """The requests of one stored result, in the order in which they were saved.

        Raises:
            StorageError: They are not stored, or damaged.
        """
        if result.requests_file is None:
            raise StorageError(f"a result of {result.experiment_id} names no requests file")
        return read_requests(resolve_within(self._base / "raw", result.requests_file))

    def load_series(self, result: RawProcessResult) -> list[SampleSeries]:
        """What was sampled during one stored result, in the order it was saved; empty if nothing.

        Raises:
            StorageError: It was saved, and is damaged or gone.
        """
        if result.timeseries_file is None:
            return []
        path = resolve_within(self._base / "raw", result.timeseries_file)
        return parse_series(whole_samples(path, result.process_index), path)

    def discard_cycle(self, experiment_id: str, cycle: int) -> None:
        """Forget what is stored of one cycle, so that it can be measured again as a whole.

        Logs, contexts and whatever else lies there stay.
        """
        for folder, of_cycle in self._folders(experiment_id):
            if of_cycle == cycle and folder.is_dir():
                _remove_own_files(folder)

    def save_aggregated(self, result: AggregatedResult) -> None:
        """Store an aggregate, over an older one of the same experiment."""
        path = self._aggregated_path(result.experiment_id)
        write_text(path, result.model_dump_json(indent=2))

    def load_aggregated(self, experiment_id: str) -> AggregatedResult:
        """One aggregate.

        Raises:
            UnknownExperimentError: There is none.
            StorageError: It cannot be read.
        """
        path = self._aggregated_path(experiment_id)
        try:
            content = read_stored(path)
        except FileNotFoundError as error:
            raise _no_aggregate(experiment_id) from error
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
        result = parse_record(AggregatedResult, content, path, AGGREGATED_MIGRATIONS)
        if result.experiment_id != experiment_id:
            raise StorageError(f"{path} holds the aggregate of {result.experiment_id}")
        return result

    def aggregated_ids(self) -> list[str]:
        """Ids of all stored aggregates, sorted."""
        stems = [
            name.removesuffix(".json")
            for name in list_names(self._base / "aggregated")
            if name.endswith(".json")
        ]
        return sorted(stem for stem in stems if is_safe_id(stem))

    def has_raw(self, experiment_id: str) -> bool:
        """Whether there is at least one whole result."""
        return bool(self.load_raw(experiment_id))

    def completed_cycles(self, experiment_id: str) -> set[int]:
        """The cycles of which every process has a whole result."""
        return find_complete(self.load_raw(experiment_id))

    def _folders(self, experiment_id: str) -> Iterator[tuple[Path, int]]:
        """Where results may lie, and of which cycle: the experiment's own folder, and cycle_C."""
        folder = self.raw_dir(experiment_id)
        yield folder, 1
        for path in (folder / name for name in list_names(folder)):
            name = _CYCLE.fullmatch(path.name)
            if name and path.is_dir():
                yield path, int(name[1])

    def _name(self, path: Path) -> str:
        """How a result calls a file beside it: from the folder of all raw files on."""
        return path.relative_to(self._base / "raw").as_posix()

    def _aggregated_path(self, experiment_id: str) -> Path:
        return resolve_within(self._base, "aggregated", f"{safe_id(experiment_id)}.json")


def find_complete(results: Sequence[RawProcessResult]) -> set[int]:
    """The cycles of which every process is among the results."""
    found: dict[int, set[int]] = {}
    expected: dict[int, int] = {}
    for raw in results:
        found.setdefault(raw.cycle, set()).add(raw.process_index)
        expected[raw.cycle] = max(raw.process_count, expected.get(raw.cycle, 0))
    return {cycle for cycle, indices in found.items() if indices == set(range(expected[cycle]))}


def _no_aggregate(experiment_id: str) -> UnknownExperimentError:
    """The error for an aggregate that is not there."""
    return UnknownExperimentError(
        f"there is no aggregated result of experiment {experiment_id!r}",
        hint="list what there is with: lem results list --all",
    )


def _already_saved(result: RawProcessResult) -> StorageError:
    """The error for a result that would overwrite a finished one."""
    return StorageError(
        f"process {result.process_index} of cycle {result.cycle} of {result.experiment_id} "
        "is stored already, and finished work is not overwritten",
        hint="measure it as a new experiment, or discard the cycle first",
    )


def _read_one(folder: Path, experiment_id: str, cycle: int, process_index: int) -> RawProcessResult:
    path = result_path(folder, process_index)
    content = read_whole(folder, process_index)
    raw = parse_record(RawProcessResult, content, path, RAW_MIGRATIONS)
    if (raw.experiment_id, raw.cycle, raw.process_index) != (experiment_id, cycle, process_index):
        raise _report_misplaced(raw, path)
    return raw


def _report_misplaced(raw: RawProcessResult, path: Path) -> StorageError:
    # A result that was copied from elsewhere must not be counted here.
    return StorageError(
        f"{path} holds the result of {raw.experiment_id}, cycle {raw.cycle}, process "
        f"{raw.process_index}, which belongs elsewhere",
        hint="move it out of this folder",
    )


def _remove_own_files(folder: Path) -> None:
    """Remove results, markers first: without them nothing of the rest counts."""
    paths = [path for path in folder.iterdir() if _OWN_FILE.fullmatch(path.name)]
    try:
        for path in sorted(paths, key=lambda path: not path.name.startswith(".")):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot remove {error.filename}: {error.strerror}") from error
