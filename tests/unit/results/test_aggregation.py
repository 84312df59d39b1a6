"""The aggregate: sums, ratios of sums, pooled latency, spread, and the verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from records import ESTIMATED, EXPERIMENT, START, domain, raw, trace

from llenergymeasure.domain.experiment import (
    AggregatedResult,
    BackendInfo,
    ExperimentStatus,
    RawProcessResult,
)
from llenergymeasure.domain.metrics import ComputeMetrics
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import Reason, ReasonCode, ValidityStatus
from llenergymeasure.exceptions import StorageError
from llenergymeasure.results.aggregation import aggregate

TRACES = (trace(0), trace(1))


def aggregated(
    *raws: RawProcessResult,
    planned: int | None = None,
    traces: dict[tuple[int, int], list[RequestTrace]] | None = None,
) -> AggregatedResult:
    given = {(r.cycle, r.process_index): list(TRACES) for r in raws} | (traces or {})
    return aggregate(
        raws,
        given,
        planned_cycles=planned or len({r.cycle for r in raws}),
        config={"seed": 1},
        provenance={"seed": "default"},
        created_at=START,
        aggregated_at=START + timedelta(minutes=1),
    )


def details(result: Any) -> dict[ReasonCode, str]:
    """Each code once."""
    reasons = result.validity.reasons
    found = {reason.code: reason.detail for reason in reasons}
    assert len(found) == len(reasons)
    return found


def test_what_is_given_is_kept() -> None:
    result = aggregated(raw())
    assert (result.experiment_id, result.config_name) == (EXPERIMENT, "test")
    assert result.status is ExperimentStatus.AGGREGATED
    assert (result.config, result.provenance) == ({"seed": 1}, {"seed": "default"})
    assert (result.created_at, result.aggregated_at) == (START, START + timedelta(minutes=1))
    assert result.model == raw().model
    assert result.prompts == raw().prompts
    assert result.validity.status is ValidityStatus.VALID


def test_counts_are_sums_and_rates_are_ratios_of_sums() -> None:
    traces = (trace(0), trace(1), trace(2, failed=True), trace(3, truncated_prompt_tokens=6))
    result = aggregated(
        raw(1, traces=traces, duration_s=1.0), raw(2, traces=TRACES, start_s=10, duration_s=4.0)
    )
    inference = result.metrics.inference
    assert (inference.requests, inference.failed_requests) == (6, 1)
    assert inference.input_tokens == (5 + 6 + 7 + 8) + (5 + 6)
    assert inference.output_tokens == (3 + 4 + 0 + 6) + (3 + 4)
    assert inference.total_tokens == 37 + 20
    assert (inference.truncated_requests, inference.truncated_prompt_tokens) == (1, 6)
    assert inference.duration_s == 5.0
    assert inference.output_tokens_per_s == 20 / 5.0
    assert inference.total_tokens_per_s == 57 / 5.0
    assert inference.requests_per_s == 5 / 5.0


def test_time_of_tokenising_adds_up_where_every_part_tells_it() -> None:
    told = (trace(0, tokenization_ns=1_000_000), trace(1, tokenization_ns=2_000_000))
    both = aggregated(raw(1, traces=told), raw(2, traces=told, start_s=10))
    assert both.metrics.inference.tokenization_s == 0.006
    one = aggregated(raw(1, traces=told), raw(2, start_s=10))
    assert one.metrics.inference.tokenization_s is None


def test_a_cycle_lasts_from_its_first_start_to_its_last_end() -> None:
    result = aggregated(
        raw(1, 0, of=3, start_s=1.0, duration_s=2.0),
        raw(1, 1, of=3, start_s=0.5, duration_s=1.0),
        raw(1, 2, of=3, start_s=2.0, duration_s=2.5),
    )
    assert result.metrics.inference.duration_s == 4.0
    assert result.cycles.values[0].duration_s == 4.0


def test_between_hosts_only_wall_clocks_compare() -> None:
    other = raw(1, 1, of=2, start_s=1.0, duration_s=2.0, host="b")
    booted_long_ago = other.window.model_copy(
        update={"start_monotonic_ns": 10**15, "end_monotonic_ns": 10**15 + 2 * 10**9}
    )
    result = aggregated(
        raw(1, 0, of=2, duration_s=2.0, host="a"),
        other.model_copy(update={"window": booted_long_ago}),
    )
    assert result.metrics.inference.duration_s == 3.0


def test_latency_is_taken_over_all_requests_together() -> None:
    slow = [trace(n, return_ns=n * 1_000_000 + 100_000_000) for n in range(10)]
    result = aggregated(raw(1), raw(2), traces={(2, 0): slow})
    e2e = result.metrics.latency.e2e_ms
    assert e2e is not None
    assert (e2e.n, e2e.min, e2e.max, e2e.p50) == (12, 2.0, 100.0, 100.0)
    assert e2e.mean == pytest.approx((2 * 2.0 + 10 * 100.0) / 12)
    assert [value.e2e_ms_mean for value in result.cycles.values] == [2.0, 100.0]


def test_each_cycle_and_its_spread_are_kept() -> None:
    result = aggregated(
        raw(1, domains=[domain(10.0)]), raw(2, domains=[domain(30.0)], duration_s=4.0)
    )
    assert result.cycles.n == 2
    first, second = result.cycles.values
    assert (first.cycle, first.total_j, first.j_per_output_token) == (1, 10.0, 10.0 / 7)
    assert (second.cycle, second.total_j, second.output_tokens_per_s) == (2, 30.0, 7 / 4.0)
    stats = result.cycles.stats
    assert set(stats) == {
        "duration_s",
        "output_tokens_per_s",
        "total_j",
        "marginal_j",
        "j_per_output_token",
        "e2e_ms_mean",
    }
    assert stats["total_j"] is not None
    assert (stats["total_j"].mean, stats["total_j"].n) == (20.0, 2)
    assert result.metrics.energy.total_j == 40.0


def test_a_cycle_without_joules_has_none() -> None:
    result = aggregated(raw(1), raw(2, domains=[domain(None)]))
    assert [v.total_j for v in result.cycles.values] == [10.0, None]
    assert [v.j_per_output_token for v in result.cycles.values] == [10.0 / 7, None]
    assert result.metrics.energy.total_j is None
    assert result.metrics.energy.partial_j == 10.0
    statuses = [v.validity.status for v in result.cycles.values]
    assert statuses == [ValidityStatus.VALID, ValidityStatus.INVALID]
    assert result.validity.status is ValidityStatus.INVALID


def test_a_cycle_that_lists_less_than_the_others_has_no_total() -> None:
    both = [domain(1.0), domain(2.0, "ram")]
    result = aggregated(raw(1, domains=both), raw(2, domains=both[:1]))
    assert [v.total_j for v in result.cycles.values] == [3.0, None]
    assert details(result.cycles.values[1])[ReasonCode.ENERGY_UNAVAILABLE]


def test_memory_of_processes_adds_up_and_the_largest_cycle_counts() -> None:
    def using(cycle: int, process: int, peak: int | None) -> RawProcessResult:
        compute = ComputeMetrics(
            model_parameters=7,
            peak_memory_bytes=peak,
            peak_memory_source="resident set" if peak else None,
            flops_total=10.0,
        )
        return raw(cycle, process, of=2, compute=compute)

    raws = [using(1, 0, 100), using(1, 1, 50), using(2, 0, 10), using(2, 1, 160)]
    compute = aggregated(*raws).metrics.compute
    assert (compute.peak_memory_bytes, compute.peak_memory_source) == (170, "resident set")
    assert (compute.model_parameters, compute.flops_total) == (7, 40.0)
    compute = aggregated(*raws[:3], using(2, 1, None)).metrics.compute
    assert (compute.peak_memory_bytes, compute.peak_memory_source) == (None, None)


def test_work_that_is_not_known_is_none() -> None:
    known = raw(1, compute=ComputeMetrics(flops_total=10.0))
    unknown = raw(2, compute=ComputeMetrics(flops_reason="not counted"))
    compute = aggregated(known, unknown).metrics.compute
    assert (compute.flops_total, compute.flops_reason) == (None, "not counted")


def test_every_process_is_listed() -> None:
    result = aggregated(
        raw(1, 1, of=2, requests_file="x/cycle_1/requests_1.parquet"),
        raw(1, 0, of=2, requests_file="x/cycle_1/requests_0.parquet"),
    )
    listed = [(p.cycle, p.process_index, p.raw_file) for p in result.processes]
    assert listed == [(1, 0, "x/cycle_1/process_0.json"), (1, 1, "x/cycle_1/process_1.json")]
    assert (result.processes[0].hostname, result.processes[0].threads) == ("host", 2)
    assert (result.processes[0].input_tokens, result.processes[0].output_tokens) == (11, 7)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"experiment_id": "other"}, "experiments"),
        ({"backend": BackendInfo(name="pytorch", version="1")}, "backends"),
        ({"backend": BackendInfo(name="echo", version="2")}, "backends"),
        ({"model": raw().model.model_copy(update={"path": "/elsewhere/m"})}, "models"),
        ({"model": raw().model.model_copy(update={"revision": "abc"})}, "models"),
        ({"model": raw().model.model_copy(update={"parameters": 8})}, "models"),
        ({"model": raw().model.model_copy(update={"dtype": "bfloat16"})}, "dtypes"),
        ({"prompts": raw().prompts.model_copy(update={"used_sha256": "c"})}, "prompts"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(StorageError, match=f"different {word}"):
        aggregated(raw(1), raw(2, **changes))


def test_a_cache_in_another_place_holds_the_same_model() -> None:
    for fixed in ({"name": "builtin:x"}, {"name": "org/m", "revision": "abc"}):
        models = [
            raw().model.model_copy(update={**fixed, "path": path}) for path in ("/a/x", "/b/x")
        ]
        assert aggregated(raw(1, model=models[0]), raw(2, model=models[1])).cycles.n == 2


def test_nothing_is_not_aggregated() -> None:
    with pytest.raises(StorageError, match="no results"):
        aggregated()


def test_one_result_twice_is_refused() -> None:
    with pytest.raises(StorageError, match="more than one result of cycle 1, process 0"):
        aggregated(raw(), raw())


def test_requests_that_are_missing_are_refused() -> None:
    with pytest.raises(StorageError, match="no requests of cycle 1, process 0"):
        aggregate([raw()], {}, planned_cycles=1, config={}, provenance={}, created_at=START)


def reasoned(cycle: int, detail: str, code: ReasonCode = ReasonCode.CPU_CONTENTION, **kw: Any):
    return raw(cycle, reasons=(Reason(code=code, detail=detail),), **kw)


@pytest.mark.parametrize(
    ("told", "planned", "expected"),
    [
        (["a"], 1, "a"),
        (["a", "a"], 2, "a"),
        (["a", None, "a"], 3, "cycles 1, 3: a"),
        (["a", "b", None], 3, "cycle 1: a; cycle 2: b"),
        (["a", "b", "c", None, "d"], 5, "cycles 1, 2, 3, 5, for instance cycle 1: a"),
    ],
)
def test_a_reason_is_told_once_with_its_cycles(
    told: list[str | None], planned: int, expected: str
) -> None:
    raws = [reasoned(c, d) if d else raw(c) for c, d in enumerate(told, start=1)]
    result = aggregated(*raws, planned=planned)
    assert details(result) == {ReasonCode.CPU_CONTENTION: expected}
    own = [
        v.validity.reasons[0].detail if v.validity.reasons else None for v in result.cycles.values
    ]
    assert own == told


def test_processes_that_say_the_same_say_it_once() -> None:
    raws = [reasoned(1, "busy", process=p, of=3) for p in range(3)]
    assert details(aggregated(*raws)) == {ReasonCode.CPU_CONTENTION: "busy"}
    raws[1] = reasoned(1, "very busy", process=1, of=3)
    assert details(aggregated(*raws)) == {ReasonCode.CPU_CONTENTION: "busy; very busy"}


def test_estimates_alone_degrade() -> None:
    result = aggregated(raw(domains=[domain(1.0, method=ESTIMATED)]))
    assert list(details(result)) == [ReasonCode.ESTIMATE_ONLY]
    assert result.validity.status is ValidityStatus.DEGRADED


def test_the_remedy_for_unreadable_counters_stands_in_the_estimate_s_reason_once() -> None:
    why = Reason(code=ReasonCode.RAPL_UNREADABLE, detail="sudo chmod o+r energy_uj")
    both = [domain(1.0, name, method=ESTIMATED, instead_of=(why,)) for name in ("cpu", "ram")]
    result = aggregated(raw(1, domains=both), raw(2, domains=both))
    assert details(result)[ReasonCode.ESTIMATE_ONLY].count("sudo chmod o+r energy_uj") == 1
    assert result.validity.status is ValidityStatus.DEGRADED


def test_energy_that_was_off_is_a_note() -> None:
    result = aggregated(raw(domains=[], energy={"backend": "none"}))
    assert list(details(result)) == [ReasonCode.ENERGY_OFF]
    assert result.validity.status is ValidityStatus.VALID
    assert result.metrics.energy.total_j is None


@pytest.mark.parametrize(
    "domains", [[], [domain(None)], [domain(None, expected=False)], [domain(), domain(None, "ram")]]
)
def test_energy_that_is_missing_invalidates(domains: list[Any]) -> None:
    result = aggregated(raw(domains=domains))
    assert list(details(result)) == [ReasonCode.ENERGY_UNAVAILABLE]
    assert result.validity.status is ValidityStatus.INVALID
    assert result.metrics.energy.j_per_output_token is None


def test_a_replay_is_told_once() -> None:
    words = "the joules come from a recording or a formula, not from this machine"
    code = ReasonCode.ENERGY_REPLAYED
    result = aggregated(raw(energy={"replayed": True}))
    assert details(result) == {code: words}
    told = reasoned(1, "a recording", code=code, energy={"replayed": True})
    assert details(aggregated(told)) == {code: "a recording"}


def test_failed_requests_are_counted_over_all() -> None:
    good, bad = TRACES, (trace(0, failed=True), trace(1, failed=True))
    result = aggregated(raw(1, traces=good), raw(2, traces=bad), traces={(2, 0): list(bad)})
    assert details(result) == {ReasonCode.FAILED_REQUESTS: "2 of 4 requests have no answer"}
    assert details(result.cycles.values[1]) == {
        ReasonCode.ALL_REQUESTS_FAILED: "2 of 2 requests have no answer"
    }
    assert result.metrics.latency.e2e_ms is not None
    assert result.metrics.latency.e2e_ms.n == 2
    assert result.metrics.energy.j_per_request == 20.0 / 2
    result = aggregated(raw(1, traces=bad), traces={(1, 0): list(bad)})
    assert list(details(result)) == [ReasonCode.ALL_REQUESTS_FAILED]
    assert result.metrics.latency.e2e_ms is None
    assert result.metrics.energy.total_j == 10.0
    assert result.metrics.energy.j_per_request is None


def test_missing_cycles_are_named() -> None:
    result = aggregated(raw(2), planned=4)
    assert details(result) == {ReasonCode.INCOMPLETE: "not measured: cycles 1, 3, 4"}
    assert result.cycles.n == 1
    assert details(result.cycles.values[0]) == {}


def test_missing_processes_are_named() -> None:
    raws = [raw(1, 0, of=3), raw(1, 1, of=3), raw(1, 2, of=3), raw(2, 1, of=3)]
    assert details(aggregated(*raws, planned=3)) == {
        ReasonCode.INCOMPLETE: "not measured: cycle 3; cycle 2: no result of process 0, 2 of 3"
    }
