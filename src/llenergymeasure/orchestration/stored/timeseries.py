"""The time series of an experiment: found, chosen from, and made into a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.exceptions import ConfigurationError
from llenergymeasure.orchestration.stored.entry import ExperimentEntry, Trouble
from llenergymeasure.orchestration.stored.lookup import RawFiles, look_at_raw
from llenergymeasure.results.plots.chart import chart
from llenergymeasure.results.plots.render import render_chart
from llenergymeasure.results.plots.tracks import (
    Track,
    TrackSummary,
    as_csv,
    count_in_flight,
    origin_of,
    summary,
)
from llenergymeasure.results.repository import FileSystemRepository


@dataclass(frozen=True)
class Choice:
    """Which series; None and empty stand for all.

    Attributes:
        requests: Also how many requests were under way.
    """

    cycle: int | None = None
    process_index: int | None = None
    quantities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    requests: bool = False


def find_results(entry: ExperimentEntry) -> RawFiles:
    """The raw results of an experiment, and what is wrong with others of them.

    Raises:
        ConfigurationError: There is none yet.
        StorageError: All of them are damaged or gone.
    """
    found = look_at_raw(entry.experiment_id, entry.results_dir, entry.planned_cycles)
    if not found.results:
        if isinstance(entry.status, Trouble) or entry.is_finished:
            raise found.faults[0]
        raise ConfigurationError(
            f"experiment {entry.experiment_id} holds no finished cycle yet",
            hint=f"see where it stands with: lem results show {entry.experiment_id}",
        )
    return found


def choose_tracks(
    entry: ExperimentEntry, results: list[RawProcessResult], choice: Choice
) -> list[Track]:
    """The series of some results that fit a choice, by cycle and process.

    Raises:
        ConfigurationError: None was saved, or nothing there is called so; the hint lists what is.
        StorageError: A file is damaged or gone.
    """
    repository = FileSystemRepository(entry.results_dir)
    results = _fitting(results, "cycle", lambda r: r.cycle, choice.cycle)
    results = _fitting(results, "process", lambda r: r.process_index, choice.process_index)
    tracks = [track for raw in results for track in _tracks(raw, repository)]
    if not tracks:
        raise _none_saved(entry.experiment_id, results)
    tracks = _pick_named(tracks, "quantity", lambda t: t.series.quantity, choice.quantities)
    tracks = _pick_named(tracks, "device", lambda t: t.series.device, choice.devices)
    if choice.requests:
        tracks += [_requests(raw, repository) for raw in results]
    return tracks


def summaries(tracks: Sequence[Track]) -> list[TrackSummary]:
    """Each series in one line."""
    return [summary(track) for track in tracks]


def as_file(entry: ExperimentEntry, tracks: Sequence[Track], form: str) -> bytes:
    """The series as ``csv`` (every sample) or as a plot (``png``, ``svg``, ``pdf``, ``html``).

    Raises:
        RunError: The library that draws is not installed.
    """
    if form == "csv":
        return as_csv(tracks)
    title = " ".join(word for word in (entry.config_name, entry.experiment_id) if word)
    return render_chart(chart(tracks, title), form)


def _tracks(raw: RawProcessResult, repository: FileSystemRepository) -> list[Track]:
    return [
        Track(
            cycle=raw.cycle,
            process_index=raw.process_index,
            start_ns=raw.window.start_monotonic_ns,
            series=series,
            origin=origin_of(series, raw.energy),
        )
        for series in repository.load_series(raw)
    ]


def _requests(raw: RawProcessResult, repository: FileSystemRepository) -> Track:
    series = count_in_flight(repository.load_traces(raw))
    return Track(raw.cycle, raw.process_index, raw.window.start_monotonic_ns, series)


def _fitting(
    results: list[RawProcessResult],
    word: str,
    number_of: Callable[[RawProcessResult], int],
    wanted: int | None,
) -> list[RawProcessResult]:
    if wanted is None:
        return results
    fitting = [raw for raw in results if number_of(raw) == wanted]
    if not fitting:
        there = sorted({number_of(raw) for raw in results})
        raise ConfigurationError(
            f"there is no {word} {wanted} among the results",
            hint=f"there is: {', '.join(map(str, there))}",
        )
    return fitting


def _pick_named(
    tracks: list[Track], word: str, name_of: Callable[[Track], str], wanted: Iterable[str]
) -> list[Track]:
    wanted = tuple(wanted)
    there = list(dict.fromkeys(name_of(track) for track in tracks))
    unknown = [name for name in wanted if name not in there]
    if unknown:
        raise ConfigurationError(
            f"no {word} {unknown[0]!r} was sampled", hint=f"there is: {', '.join(there)}"
        )
    return [track for track in tracks if not wanted or name_of(track) in wanted]


def _none_saved(experiment_id: str, results: Sequence[RawProcessResult]) -> ConfigurationError:
    sources = ", ".join(sorted({raw.energy.backend for raw in results}))
    return ConfigurationError(
        f"no time series was saved with experiment {experiment_id}",
        hint="timeseries.enabled or timeseries.save was false, or its energy source "
        f"({sources}) takes no samples",
    )
