"""What the store of results promises."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from records import EXPERIMENT, START, raw, trace

from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import ConfigurationError, StorageError, UnknownExperimentError
from llenergymeasure.results.aggregation import aggregate
from llenergymeasure.results.repository import FileSystemRepository

BAD_IDS = ["../x", "", ".", "a/b", "/etc"]


@pytest.fixture
def store(tmp_path: Path) -> FileSystemRepository:
    return FileSystemRepository(tmp_path / "results")


def aggregated(experiment_id: str = EXPERIMENT, config_name: str = "test") -> AggregatedResult:
    one = raw(experiment_id=experiment_id, config_name=config_name)
    return aggregate(
        [one],
        {(1, 0): [trace(0), trace(1)]},
        planned_cycles=1,
        config={"seed": 1, "nested": {"list": [1, None, "x"]}},
        provenance={"seed": "default"},
        created_at=START,
    )


def stored(result: RawProcessResult) -> RawProcessResult:
    """Without the fields that the store fills in."""
    assert result.requests_file is not None
    return result.model_copy(update={"requests_file": None, "timeseries_file": None})


def plain(series: Iterable[SampleSeries]) -> list[tuple[str, str, list[int], list[float]]]:
    return [(s.device, s.quantity, list(s.times_ns), list(s.values)) for s in series]


def test_a_result_comes_back_with_its_requests(store: FileSystemRepository) -> None:
    result = raw()
    traces = [
        trace(
            2,
            tokenization_ns=1_500_000,
            token_times_ns=(2_100_000, 2_200_000),
            output_token_ids=(7, 2**31 - 1),
        ),
        trace(0, failed=True, prompt_tokens=None),
        trace(1, truncated_prompt_tokens=4, finish_reason="stop", output_token_ids=()),
    ]
    store.save_raw(result, traces, cycles_planned=1)
    (loaded,) = store.load_raw(EXPERIMENT)
    assert stored(loaded) == result
    assert store.load_traces(loaded) == traces
    assert store.has_raw(EXPERIMENT)
    assert store.completed_cycles(EXPERIMENT) == {1}


def test_samples_come_back_series_by_series(store: FileSystemRepository) -> None:
    series = [
        SampleSeries("gpu:1", "power_w", [5, 2**62], [1.5, -0.0]),
        SampleSeries("gpu:0", "power_w", array("q", [7]), np.array([3.25])),
        SampleSeries("gpu:1", "energy_j", range(3), (0.0, 1e-300, 1e300)),
        SampleSeries("gpu:2", "power_w", [], []),
    ]
    store.save_raw(raw(2), [], cycles_planned=2, series=series)
    store.save_raw(raw(1), [], cycles_planned=2)
    without, loaded = store.load_raw(EXPERIMENT)
    assert plain(store.load_series(loaded)) == plain(series[:3])
    assert loaded.timeseries_file == f"{EXPERIMENT}/cycle_2/timeseries_0.parquet"
    assert without.timeseries_file is None
    assert store.load_series(without) == []


def test_samples_that_are_no_numbers_cost_no_result(
    store: FileSystemRepository, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [
        SampleSeries("gpu", "lengths_differ", [1, 2, 3], [1.0]),
        SampleSeries("gpu", "no_numbers", [1], ["x"]),  # type: ignore[list-item]
        SampleSeries("gpu", "out_of_range", [2**70], [1.0]),
        SampleSeries("gpu", "nothing", [1, 2], [float("nan"), float("inf")]),
        SampleSeries("gpu", "holes", [1, 2, 3], [1.0, float("nan"), 3.0]),
    ]
    store.save_raw(raw(), [], cycles_planned=1, series=broken)
    (loaded,) = store.load_raw(EXPERIMENT)
    assert plain(store.load_series(loaded)) == [("gpu", "holes", [1, 3], [1.0, 3.0])]
    assert len(caplog.messages) == 3


def test_only_broken_samples_are_none(store: FileSystemRepository) -> None:
    broken = [SampleSeries("gpu", "power_w", [1], [float("nan")])]
    store.save_raw(raw(), [], cycles_planned=1, series=broken)
    (loaded,) = store.load_raw(EXPERIMENT)
    assert loaded.timeseries_file is None
    assert store.load_series(loaded) == []


def test_samples_of_a_discarded_cycle_are_gone(store: FileSystemRepository, tmp_path: Path) -> None:
    store.save_raw(raw(), [], cycles_planned=1, series=[SampleSeries("a", "b", [1], [2.0])])
    (loaded,) = store.load_raw(EXPERIMENT)
    store.discard_cycle(EXPERIMENT, 1)
    with pytest.raises(StorageError):
        store.load_series(loaded)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_no_requests_are_stored_as_none(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    assert store.load_traces(store.load_raw(EXPERIMENT)[0]) == []


def test_results_come_by_cycle_and_process(store: FileSystemRepository) -> None:
    order = [(10, 1), (2, 0), (10, 0), (2, 11), (1, 0), (2, 2)]
    for cycle, process in order:
        store.save_raw(raw(cycle, process, of=12), [trace(cycle)], cycles_planned=10)
    loaded = store.load_raw(EXPERIMENT)
    assert [(r.cycle, r.process_index) for r in loaded] == sorted(order)
    assert [store.load_traces(r)[0].request_id for r in loaded] == [c for c, _ in sorted(order)]


def test_a_cycle_is_complete_with_its_last_process(store: FileSystemRepository) -> None:
    for cycle, process in [(1, 0), (1, 1), (2, 1), (3, 0)]:
        store.save_raw(raw(cycle, process, of=2), [], cycles_planned=3)
    assert store.completed_cycles(EXPERIMENT) == {1}
    store.save_raw(raw(3, 1, of=2), [], cycles_planned=3)
    assert store.completed_cycles(EXPERIMENT) == {1, 3}


def test_finished_work_is_not_overwritten(store: FileSystemRepository) -> None:
    store.save_raw(raw(2), [trace(1)], cycles_planned=2)
    with pytest.raises(StorageError, match=r"process 0 of cycle 2 .* not overwritten"):
        store.save_raw(raw(2, config_name="again"), [], cycles_planned=2)
    (loaded,) = store.load_raw(EXPERIMENT)
    assert loaded.config_name == "test"
    assert store.load_traces(loaded) == [trace(1)]


def test_a_discarded_cycle_is_gone_and_can_be_redone(store: FileSystemRepository) -> None:
    for cycle, process in [(1, 0), (1, 1), (2, 0), (12, 0)]:
        store.save_raw(raw(cycle, process, of=2), [], cycles_planned=12)
    store.discard_cycle(EXPERIMENT, 1)
    store.discard_cycle(EXPERIMENT, 7)
    assert [(r.cycle, r.process_index) for r in store.load_raw(EXPERIMENT)] == [(2, 0), (12, 0)]
    store.save_raw(raw(1, 0, of=2), [trace(9)], cycles_planned=12)
    assert store.load_traces(store.load_raw(EXPERIMENT)[0]) == [trace(9)]


def test_a_single_cycle_can_be_discarded(store: FileSystemRepository) -> None:
    store.save_raw(raw(), [], cycles_planned=1)
    store.discard_cycle(EXPERIMENT, 2)
    assert store.has_raw(EXPERIMENT)
    store.discard_cycle(EXPERIMENT, 1)
    assert not store.has_raw(EXPERIMENT)
    store.discard_cycle(EXPERIMENT, 1)


def test_experiments_are_kept_apart(store: FileSystemRepository) -> None:
    store.save_raw(raw(experiment_id="a"), [trace(1)], cycles_planned=1)
    store.save_raw(raw(experiment_id="ab"), [trace(2)], cycles_planned=1)
    store.discard_cycle("a", 1)
    assert not store.has_raw("a")
    assert [r.experiment_id for r in store.load_raw("ab")] == ["ab"]


def test_what_is_not_there_is_empty(store: FileSystemRepository) -> None:
    assert store.load_raw(EXPERIMENT) == []
    assert not store.has_raw(EXPERIMENT)
    assert store.completed_cycles(EXPERIMENT) == set()
    assert store.aggregated_ids() == []


def test_requests_that_are_not_there_are_an_error(store: FileSystemRepository) -> None:
    lost = raw(requests_file=f"{EXPERIMENT}/requests_0.parquet")
    with pytest.raises(StorageError):
        store.load_traces(lost)


def test_an_aggregate_comes_back(store: FileSystemRepository) -> None:
    store.save_aggregated(aggregated())
    assert store.load_aggregated(EXPERIMENT) == aggregated().model_copy(
        update={"aggregated_at": store.load_aggregated(EXPERIMENT).aggregated_at}
    )


def test_an_aggregate_replaces_its_older_self(store: FileSystemRepository) -> None:
    store.save_aggregated(aggregated())
    store.save_aggregated(aggregated(config_name="newer"))
    assert store.load_aggregated(EXPERIMENT).config_name == "newer"
    assert store.aggregated_ids() == [EXPERIMENT]


def test_aggregates_are_listed_in_order(store: FileSystemRepository) -> None:
    for experiment_id in ("b", "a", "c"):
        store.save_aggregated(aggregated(experiment_id))
    assert store.aggregated_ids() == ["a", "b", "c"]


def test_an_aggregate_that_is_not_there_is_told(store: FileSystemRepository) -> None:
    with pytest.raises(UnknownExperimentError, match="no aggregated result") as caught:
        store.load_aggregated(EXPERIMENT)
    assert "lem results list" in (caught.value.hint or "")


@pytest.mark.parametrize("experiment_id", BAD_IDS)
def test_an_id_that_leads_elsewhere_is_refused(
    store: FileSystemRepository, experiment_id: str, tmp_path: Path
) -> None:
    for act in (
        lambda: store.save_raw(raw(experiment_id=experiment_id), [], cycles_planned=1),
        lambda: store.load_raw(experiment_id),
        lambda: store.has_raw(experiment_id),
        lambda: store.completed_cycles(experiment_id),
        lambda: store.discard_cycle(experiment_id, 1),
        lambda: store.save_aggregated(aggregated(experiment_id)),
        lambda: store.load_aggregated(experiment_id),
    ):
        with pytest.raises(ConfigurationError):
            act()
    assert list(tmp_path.rglob("*.json")) == []


def test_what_is_given_out_is_not_the_stores_own(store: FileSystemRepository) -> None:
    store.save_aggregated(aggregated())
    store.load_aggregated(EXPERIMENT).config["nested"]["list"].append("changed")
    assert store.load_aggregated(EXPERIMENT).config["nested"]["list"] == [1, None, "x"]
