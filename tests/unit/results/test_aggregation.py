"""The aggregate: sums, ratios of sums, pooled latency, spread, and the verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from records import ESTIMATED, EXPERIMENT, START, domain, gpu, raw, trace, window

from llenergymeasure.domain.experiment import (
    AggregatedResult,
    BackendInfo,
    ExperimentStatus,
    RawProcessResult,
)
from llenergymeasure.domain.metrics import ComputeMetrics, EnergyMetrics
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
    assert set(type(stats).model_fields) == {
        "duration_s",
        "output_tokens_per_s",
        "total_j",
        "marginal_j",
        "j_per_output_token",
        "e2e_ms_mean",
    }
    assert stats.total_j is not None
    assert (stats.total_j.mean, stats.total_j.n) == (20.0, 2)
    assert result.metrics.energy.total_j == 40.0


def test_the_energy_of_a_cycle_has_two_intervals_of_its_own() -> None:
    cycles = [raw(c, domains=[domain(10.0 + c, uncertainty_j=2.0)], start_s=c) for c in (1, 2, 3)]
    result = aggregated(*cycles)
    energy, stats = result.cycles.energy, result.cycles.stats.total_j
    assert energy is not None
    assert stats is not None
    assert stats.ci95 is not None
    # The meter errs alike in all cycles; their spread is another thing.
    assert (energy.mean_j, energy.meter_uncertainty_j, energy.n) == (12.0, 2.0, 3)
    assert energy.spread_uncertainty_j == pytest.approx((stats.ci95[1] - stats.ci95[0]) / 2)
    assert energy.std_j == 1.0
    assert [value.uncertainty_j for value in result.cycles.values] == [2.0, 2.0, 2.0]
    (one,) = aggregated(cycles[0]).cycles.values
    alone = aggregated(cycles[0]).cycles.energy
    assert alone is not None
    assert (alone.mean_j, alone.spread_uncertainty_j, alone.std_j) == (one.total_j, None, None)
    lost = aggregated(cycles[0], raw(2, domains=[domain(None)])).cycles.energy
    assert lost is not None
    assert lost.mean_j is lost.spread_uncertainty_j is lost.std_j is None


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
        ({"config_hash": "other"}, "configs"),
        ({"process_count": 2}, "numbers of processes"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(StorageError, match=f"different {word}"):
        aggregated(raw(1, config_hash="one"), raw(2, **{"config_hash": "one", **changes}))


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
    assert details(result) == {
        ReasonCode.FAILED_REQUESTS: "2 of 4 requests have no answer; 2 failed with: it broke"
    }
    assert details(result.cycles.values[1]) == {
        ReasonCode.ALL_REQUESTS_FAILED: "2 of 2 requests have no answer; 2 failed with: it broke"
    }
    assert result.metrics.latency.e2e_ms is not None
    assert result.metrics.latency.e2e_ms.n == 2
    assert result.metrics.energy.j_per_request == 20.0 / 2
    result = aggregated(raw(1, traces=bad), traces={(1, 0): list(bad)})
    assert list(details(result)) == [ReasonCode.ALL_REQUESTS_FAILED]
    assert result.metrics.latency.e2e_ms is None
    assert result.metrics.energy.total_j == 10.0
    assert result.metrics.energy.j_per_request is None


def test_errors_that_differ_in_numbers_only_are_one_and_the_most_frequent_leads() -> None:
    def broken(number: int, error: str) -> RequestTrace:
        return trace(number, failed=True, error=error)

    first = (broken(0, "no memory"), broken(1, "12 tokens above 8"), trace(2))
    second = (broken(0, "14 tokens above 8"), broken(1, "15 tokens above 8"))
    result = aggregated(raw(1, traces=first), raw(2, traces=second))
    told = [(error.text, error.count) for error in result.metrics.inference.errors]
    assert told == [("12 tokens above 8", 3), ("no memory", 1)]
    assert details(result)[ReasonCode.FAILED_REQUESTS] == (
        "4 of 5 requests have no answer; 3 failed with: 12 tokens above 8; "
        "1 failed with another error"
    )


def test_missing_cycles_are_named() -> None:
    result = aggregated(raw(2), planned=4)
    assert details(result) == {ReasonCode.INCOMPLETE: "not measured: cycles 1, 3, 4"}
    assert result.cycles.n == 1
    assert details(result.cycles.values[0]) == {}


def test_missing_processes_are_named() -> None:
    raws = [raw(1, 0, of=3), raw(1, 1, of=3), raw(1, 2, of=3), raw(2, 1, of=3)]
    result = aggregated(*raws, planned=3)
    lost = "cycle 2: no result of process 0, 2 of 3"
    assert details(result) == {
        ReasonCode.INCOMPLETE: f"not measured: cycle 3; {lost}",
        ReasonCode.ENERGY_UNAVAILABLE: lost,
    }


def has_no_total(energy: EnergyMetrics, partial_j: float | None) -> None:
    """Nothing that would follow from a total is told."""
    assert energy.total_j is energy.marginal_j is energy.measured_share is None
    assert energy.j_per_output_token is energy.j_per_total_token is energy.j_per_request is None
    assert energy.uncertainty_j is energy.relative_uncertainty is energy.emissions_kg_co2 is None
    assert energy.partial_j == partial_j
    assert energy.reason
    assert energy.emissions_reason


EMITTING = {"emissions_kg_co2": 0.5}


def test_a_process_that_is_missing_leaves_no_total() -> None:
    result = aggregated(raw(1, 0, of=2, energy=EMITTING))
    has_no_total(result.metrics.energy, 10.0)
    assert result.metrics.energy.reason == "no result of process 1 of 2"
    assert result.validity.status is ValidityStatus.INVALID
    (cycle,) = result.cycles.values
    assert (cycle.total_j, cycle.partial_j, cycle.j_per_output_token) == (None, 10.0, None)
    both = aggregated(raw(1, 0, of=2), raw(1, 1, of=2), raw(2, 0, of=2))
    has_no_total(both.metrics.energy, 20.0)
    assert [value.total_j for value in both.cycles.values] == [10.0, None]


def late_rank(**changes: Any) -> list[RawProcessResult]:
    """Rank 0 reads its 3 s, and rank 1 works until second 7."""
    cpu = domain(301.0, window=window(0.0, 3.0), uncertainty_j=2.0, **changes)
    return [
        raw(1, 0, of=2, domains=[cpu], duration_s=3.0, energy=EMITTING),
        raw(1, 1, of=2, domains=[], start_s=4.0, duration_s=3.0),
    ]


def test_a_domain_that_was_not_read_for_all_of_the_work_has_no_total() -> None:
    energy = aggregated(*late_rank()).metrics.energy
    has_no_total(energy, 301.0)
    why = "read for 3.0 s, while 2 processes worked there for 7.0 s"
    assert energy.reason == f"cpu: {why}"
    (cpu,) = energy.domains
    assert (cpu.joules, cpu.uncertainty_j, cpu.reason) == (None, None, why)
    assert energy.headline == "measured"
    validity = aggregated(*late_rank()).validity
    assert validity.status is ValidityStatus.INVALID


def test_an_estimate_of_a_part_of_the_work_is_no_estimate_of_all() -> None:
    energy = aggregated(*late_rank(method=ESTIMATED)).metrics.energy
    has_no_total(energy, 301.0)
    assert energy.estimated_j is None


def test_a_source_without_a_window_has_read_as_long_as_its_process_worked() -> None:
    first, late = raw(1, 0, of=2, duration_s=3.0), raw(1, 1, of=2, domains=[], start_s=4.0)
    assert aggregated(first, late).metrics.energy.total_j is None
    together = raw(1, 1, of=2, domains=[], duration_s=3.0)
    assert aggregated(first, together).metrics.energy.total_j == 10.0


def test_one_process_that_worked_for_longer_than_was_read_has_no_total() -> None:
    one = raw(domains=[domain(301.0, window=window(0.0, 3.0))], duration_s=7.0)
    energy = aggregated(one).metrics.energy
    has_no_total(energy, 301.0)
    assert energy.reason == "cpu: read for 3.0 s of the 7.0 s that the work took"


def on(gpu_id: str, cycle: int, name: str = "H100") -> RawProcessResult:
    environment = raw().environment.model_copy(update={"gpus": (name,)})
    return raw(cycle, domains=[gpu(10.0, gpu_id)], environment=environment)


def environment(**changes: Any) -> dict[str, Any]:
    return {"environment": raw().environment.model_copy(update=changes)}


SOURCES, DEVICES, HOSTS = (
    ReasonCode.ENERGY_SOURCES_DIFFER,
    ReasonCode.DEVICES_DIFFER,
    ReasonCode.HOSTS_DIFFER,
)
DIFFERENT = {
    "replayed": (raw(1), raw(2, energy={"replayed": True}), SOURCES, "replayed in cycle 2"),
    "backend": (raw(1), raw(2, energy={"backend": "other"}), SOURCES, "energy source counter"),
    "version": (
        raw(1, energy={"version": "1"}),
        raw(2, energy={"version": "2"}),
        SOURCES,
        "counter: 1 and 2",
    ),
    "source": (
        raw(1, domains=[domain(source="rapl")]),
        raw(2, domains=[domain(source="codecarbon")]),
        SOURCES,
        "cpu: read by rapl and codecarbon",
    ),
    "gpu": (on("GPU-1", 1), on("GPU-2", 2), DEVICES, "GPU-1 in cycle 1, GPU-2 in cycle 2"),
    "gpu model": (
        raw(1, **environment(gpus=("H100",))),
        raw(2, **environment(gpus=("A100",))),
        DEVICES,
        "H100 in cycle 1, A100 in cycle 2",
    ),
    "host": (raw(1, host="a"), raw(2, host="b"), HOSTS, "host a in cycle 1, b in cycle 2"),
    "processor": (
        raw(1, **environment(cpu_model="EPYC")),
        raw(2, **environment(cpu_model="Xeon")),
        HOSTS,
        "processor EPYC in cycle 1, Xeon in cycle 2",
    ),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_cycles_of_different_kinds_are_never_summed(what: str) -> None:
    first, second, code, words = DIFFERENT[what]
    result = aggregated(first, second)
    energy = result.metrics.energy
    has_no_total(energy, None if code is SOURCES else 20.0)
    assert result.validity.status is ValidityStatus.INVALID
    assert words in details(result)[code]
    assert words in (energy.reason or "")
    # Each cycle is true by itself.
    assert [value.total_j for value in result.cycles.values] == [10.0, 10.0]
    # Nor is there a mean over them.
    assert result.cycles.stats.total_j is None


def test_processes_that_are_replayed_and_measured_are_not_summed() -> None:
    first = raw(1, 0, of=2, domains=[gpu(10.0, "GPU-1")])
    second = raw(1, 1, of=2, domains=[gpu(10.0, "GPU-2")], energy={"replayed": True})
    result = aggregated(first, second)
    has_no_total(result.metrics.energy, None)
    assert result.cycles.values[0].total_j is None
    assert ReasonCode.ENERGY_SOURCES_DIFFER in details(result)


def test_two_domains_of_one_kind_each_on_its_host_are_no_difference() -> None:
    hosts = [raw(cycle, n, of=2, host="ab"[n]) for cycle in (1, 2) for n in (0, 1)]
    assert aggregated(*hosts).metrics.energy.total_j == 40.0


def test_a_reboot_or_a_new_container_is_the_same_host() -> None:
    rebooted = (raw(1, boot_id="x"), raw(2, boot_id="y"))
    renamed = (raw(1, host="pod-1", boot_id="x"), raw(2, host="pod-2", boot_id="x"))
    for pair in (rebooted, renamed):
        assert aggregated(*pair).metrics.energy.total_j == 20.0


def test_another_version_of_a_library_degrades() -> None:
    old, new = (environment(packages={"torch": version}) for version in ("1", "2"))
    result = aggregated(raw(1, **old), raw(2, **new))
    assert details(result) == {ReasonCode.SOFTWARE_DIFFERS: "torch 1 and 2"}
    assert result.validity.status is ValidityStatus.DEGRADED
    assert result.metrics.energy.total_j == 20.0
