"""How joules of processes and cycles add up, and when they must not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from records import (
    COUNTER,
    ESTIMATED,
    INTEGRATED,
    MACHINE,
    PROCESS,
    domain,
    gpu,
    raw,
    window,
)

from llenergymeasure.domain.energy import DomainReading, Uncertainty
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.metrics import EnergyMetrics, inference_from_counts
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.results.sums.domains import pick_counted
from llenergymeasure.results.sums.energy import energy_metrics

INFERENCE = inference_from_counts(
    requests=10, failed_requests=2, input_tokens=60, output_tokens=40, duration_s=2.0
)


def energy(*raws: RawProcessResult) -> EnergyMetrics:
    by_cycle: dict[int, list[RawProcessResult]] = {}
    for one in raws:
        by_cycle.setdefault(one.cycle, []).append(one)
    return energy_metrics(pick_counted(by_cycle), raws, INFERENCE)


def ranks(domains: Sequence[Any], *, cycle: int = 1, **changes: Any) -> list[RawProcessResult]:
    """One process for each list of domains."""
    return [
        raw(cycle, index, of=len(domains), domains=own, **changes)
        for index, own in enumerate(domains)
    ]


def missing_is_told(found: EnergyMetrics, partial_j: float | None, *words: str) -> None:
    """No total, nothing that is derived from one, what is known apart, and why."""
    assert found.total_j is None
    assert found.partial_j == partial_j
    assert found.j_per_output_token is found.j_per_total_token is found.j_per_request is None
    assert found.uncertainty_j is None
    assert found.uncertainty_reason == "there is no total"
    assert found.reason is not None
    for word in words:
        assert word in found.reason


def test_one_reading_is_its_own_sum() -> None:
    reading = domain(12.0, uncertainty_j=0.5, origin="a counter", window=window())
    found = energy(raw(domains=[reading]))
    assert found.domains == (reading,)
    assert (found.total_j, found.partial_j, found.estimated_j) == (12.0, 12.0, None)
    assert (found.uncertainty_j, found.uncertainty_reason) == (0.5, None)
    assert (found.headline, found.measured_share) == ("measured", 1.0)
    assert found.boundary == ("cpu:machine:counter",)
    assert found.reason is None
    assert not found.replayed
    assert (found.marginal_j, found.baseline) == (None, None)
    assert found.baseline_reason == "no idle baseline was measured"


def test_ratios_are_of_sums() -> None:
    found = energy(raw(domains=[domain(120.0)]))
    assert found.j_per_output_token == 120.0 / 40
    assert found.j_per_total_token == 120.0 / 100
    assert found.j_per_request == 120.0 / 8


def test_eight_ranks_report_their_machine_once() -> None:
    found = energy(*ranks([[domain(10.0 + i), domain(3.0, "ram")] for i in range(8)]))
    assert found.total_j == 13.0
    assert [(d.name, d.joules) for d in found.domains] == [("cpu", 10.0), ("ram", 3.0)]


def test_the_lowest_rank_with_a_number_speaks_for_the_machine() -> None:
    found = energy(*ranks([[domain(None)], [domain(11.0)], [domain(12.0)]]))
    assert found.total_j == 11.0


def test_the_order_of_the_processes_does_not_matter() -> None:
    raws = ranks([[domain(None)], [domain(11.0)], [domain(12.0)]])
    assert energy(*raws) == energy(*reversed(raws))


def test_only_one_process_of_a_host_has_to_read_it() -> None:
    raws = ranks([[domain(10.0)], [], []])
    none = raws[1].energy.model_copy(update={"backend": "none"})
    raws[1:] = [r.model_copy(update={"energy": none}) for r in raws[1:]]
    assert energy(*raws).total_j == 10.0


def test_two_hosts_are_two_machines() -> None:
    first, second = raw(1, 0, of=2, host="a"), raw(1, 1, of=2, host="b")
    assert energy(first, second).total_j == 20.0


def test_one_process_of_each_host_has_to_read_it() -> None:
    hosts = [
        raw(1, index, of=4, host="ab"[index // 2], domains=[] if index % 2 else [domain(joules)])
        for index, joules in enumerate((10.0, 0.0, 30.0, 0.0))
    ]
    found = energy(*hosts)
    assert found.total_j == 40.0
    assert [(d.name, d.joules) for d in found.domains] == [("cpu", 40.0)]


def test_two_containers_of_one_machine_are_one_machine() -> None:
    first = raw(1, 0, of=2, host="pod-1", boot_id="a")
    assert energy(first, raw(1, 1, of=2, host="pod-2", boot_id="a")).total_j == 10.0
    unread = raw(1, 1, of=2, host="pod-2", boot_id="a", domains=[])
    assert energy(first, unread).total_j == 10.0


def test_two_machines_of_one_name_are_two() -> None:
    first = raw(1, 0, of=2, host="localhost", boot_id="a")
    assert energy(first, raw(1, 1, of=2, host="localhost", boot_id="b")).total_j == 20.0
    unread = raw(1, 1, of=2, host="localhost", boot_id="b", domains=[])
    missing_is_told(energy(first, unread), 10.0, "cpu: host localhost was not read")


def test_a_host_that_nobody_read_is_missing() -> None:
    first, second = raw(1, 0, of=2, host="a"), raw(1, 1, of=2, host="b", domains=[])
    missing_is_told(energy(first, second), 10.0, "cpu: host b was not read")


def test_a_host_without_a_gpu_takes_nothing_from_one_with() -> None:
    has_none = domain(None, "gpu", expected=False, reason="no GPU")
    found = energy(
        raw(1, 0, of=2, host="a", domains=[domain(), domain(5.0, "gpu")]),
        raw(1, 1, of=2, host="b", domains=[domain(), has_none]),
    )
    assert found.total_j == 25.0
    assert [(d.name, d.joules) for d in found.domains] == [("cpu", 20.0), ("gpu", 5.0)]


def test_processes_that_are_read_apart_add_up() -> None:
    """An estimate is of those whom its process started: another's is of others."""
    estimate = domain(10.0, scope=PROCESS, method=ESTIMATED)
    found = energy(*ranks([[estimate], [estimate], []]))
    assert (found.total_j, found.boundary) == (20.0, ("cpu:process:estimated",))
    assert [(d.name, d.scope, d.joules) for d in found.domains] == [("cpu", PROCESS, 20.0)]
    unread = domain(None, scope=PROCESS)
    missing_is_told(energy(*ranks([[estimate], [unread]])), 10.0, "cpu")


def test_an_estimate_stored_as_the_machines_is_read_and_is_none_of_processes() -> None:
    stored = domain(10.0, scope=PROCESS, method=ESTIMATED).model_dump(mode="json")
    old = DomainReading.model_validate({**stored, "scope": "machine"})
    found = energy(*ranks([[old], [old]]))
    assert (found.total_j, found.boundary) == (10.0, ("cpu:machine:estimated",))


def test_devices_are_summed_each_once() -> None:
    found = energy(
        *ranks([[gpu(1.0, "GPU-a"), gpu(2.0, "GPU-b")], [gpu(99.0, "GPU-b"), gpu(4.0, "GPU-c")]])
    )
    assert found.total_j == 7.0
    assert [(d.device_id, d.joules) for d in found.domains] == [
        ("GPU-a", 1.0),
        ("GPU-b", 2.0),
        ("GPU-c", 4.0),
    ]
    assert found.boundary == ("gpu:device:counter",)


def test_one_device_under_two_numbers_is_one_device() -> None:
    found = energy(*ranks([[gpu(1.0, "GPU-a", name="gpu:0")], [gpu(2.0, "GPU-a", name="gpu:1")]]))
    assert found.total_j == 1.0


def test_a_devices_memory_is_a_domain_of_its_own() -> None:
    found = energy(raw(domains=[gpu(1.0, "GPU-a"), gpu(2.0, "GPU-a", name="gpu-memory")]))
    assert found.total_j == 3.0


def test_devices_without_an_id_each_count() -> None:
    assert energy(*ranks([[gpu(1.0, None)], [gpu(2.0, None)]])).total_j == 3.0


def test_cycles_add_up_and_keep_their_window() -> None:
    found = energy(
        raw(1, domains=[domain(1.0, window=window(0.0, 2.0))]),
        raw(2, domains=[domain(2.0, window=window(5.0, 3.0))]),
    )
    (cpu,) = found.domains
    assert found.total_j == cpu.joules == 3.0
    assert cpu.window is not None
    assert cpu.window.duration_s == 5.0
    assert (cpu.window.start_monotonic_ns, cpu.window.end_monotonic_ns) == (0, 8_000_000_000)


def test_a_domain_missing_in_one_cycle_is_missing() -> None:
    found = energy(
        raw(1, domains=[domain(1.0), domain(5.0, "ram")]),
        raw(2, domains=[domain(None, reason="EACCES"), domain(6.0, "ram")]),
        raw(3, domains=[domain(4.0), domain(7.0, "ram")]),
    )
    missing_is_told(found, 23.0, "cpu: cycle 2: EACCES")
    cpu, ram = found.domains
    assert (cpu.joules, cpu.method, cpu.reason) == (None, None, "cycle 2: EACCES")
    assert ram.joules == 18.0


@pytest.mark.parametrize("lost_in", [1, 2])
def test_a_domain_that_is_not_even_listed_is_missing(lost_in: int) -> None:
    both, one = [domain(1.0), domain(5.0, "ram")], [domain(2.0)]
    found = energy(
        raw(1, domains=one if lost_in == 1 else both), raw(2, domains=both if lost_in == 1 else one)
    )
    missing_is_told(found, 8.0, f"ram: cycle {lost_in}: there was no reading")


def test_a_source_that_fails_on_resume_voids_the_total() -> None:
    failed = domain(None, "energy", reason="CodeCarbon cannot be set up")
    found = energy(raw(1, domains=[domain(1.0)]), raw(2, domains=[failed]))
    missing_is_told(found, 1.0, "cpu: cycle 2: there was no reading", "cannot be set up")


def test_a_source_that_was_off_in_one_cycle_voids_the_total() -> None:
    found = energy(raw(1, domains=[domain(1.0)]), raw(2, domains=[], energy={"backend": "none"}))
    missing_is_told(found, 1.0, "cpu: cycle 2")


def test_a_gpu_lost_in_one_cycle_voids_the_total() -> None:
    found = energy(
        raw(1, domains=[gpu(1.0, "GPU-a"), gpu(2.0, "GPU-b")]), raw(2, domains=[gpu(4.0, "GPU-a")])
    )
    missing_is_told(found, 7.0, "gpu: cycle 2: there was no reading")
    assert [(d.device_id, d.joules) for d in found.domains] == [("GPU-a", 5.0), ("GPU-b", None)]


def test_another_gpu_on_resume_is_no_loss() -> None:
    found = energy(raw(1, domains=[gpu(1.0, "GPU-a")]), raw(2, domains=[gpu(2.0, "GPU-z")]))
    assert found.total_j == 3.0


def test_another_host_on_resume_is_no_loss() -> None:
    assert energy(raw(1, host="a"), raw(2, host="b")).total_j == 20.0


def test_a_domain_that_this_machine_does_not_have_is_no_loss() -> None:
    absent = domain(None, "gpu", expected=False, reason="no GPU")
    found = energy(raw(1, domains=[domain(1.0), absent]), raw(2, domains=[domain(2.0), absent]))
    assert found.total_j == 3.0
    assert found.domains[1].reason == "no GPU"


def test_a_domain_that_was_there_once_is_expected() -> None:
    absent = domain(None, "gpu", expected=False, reason="no GPU")
    found = energy(raw(1, domains=[domain(5.0, "gpu")]), raw(2, domains=[absent]))
    missing_is_told(found, 5.0, "gpu: cycle 2: no GPU")


def test_one_domain_read_in_two_ways_does_not_add_up() -> None:
    found = energy(raw(1, domains=[domain(1.0)]), raw(2, domains=[domain(2.0, method=INTEGRATED)]))
    missing_is_told(found, 3.0, "cpu: read in different ways", "counter, integrated")


def test_one_gpu_estimated_beside_one_measured_voids_the_total() -> None:
    found = energy(raw(domains=[gpu(100.0, "GPU-a"), gpu(90.0, "GPU-b", method=ESTIMATED)]))
    missing_is_told(found, 100.0, "gpu: measured in one part and estimated in another")


def test_estimates_stand_apart_from_what_is_measured() -> None:
    found = energy(
        raw(
            domains=[
                gpu(30.0, uncertainty_j=1.0),
                domain(10.0, method=ESTIMATED, uncertainty_j=9.0),
            ]
        )
    )
    assert (found.total_j, found.estimated_j, found.measured_share) == (30.0, 10.0, 0.75)
    assert found.headline == "measured"
    assert found.boundary == ("gpu:device:counter",)
    assert found.uncertainty_j == 1.0


def test_estimates_are_the_headline_where_there_is_nothing_else() -> None:
    found = energy(raw(domains=[domain(10.0, method=ESTIMATED)]))
    assert (found.total_j, found.headline, found.measured_share) == (10.0, "estimated", 0.0)
    assert found.boundary == ("cpu:machine:estimated",)


def test_uncertainties_add_up_or_are_not_known() -> None:
    known = [
        raw(c, domains=[domain(1.0, uncertainty_j=0.25), gpu(2.0, uncertainty_j=0.5)])
        for c in (1, 2)
    ]
    assert energy(*known).uncertainty_j == 1.5
    found = energy(*known, raw(3, domains=[domain(1.0), gpu(2.0, uncertainty_j=0.5)]))
    assert found.total_j == 9.0
    assert found.uncertainty_j is None
    assert found.uncertainty_reason == "not known for cpu"


def test_the_parts_of_an_interval_add_up_over_cycles() -> None:
    def reading(edge_j: float, **more: Any) -> DomainReading:
        parts = Uncertainty(edge_j=edge_j, gain_j=5.0, gain_origin="a table", **more)
        return domain(100.0, uncertainty_j=6.0, uncertainty=parts)

    found = energy(raw(1, domains=[reading(1.0)]), raw(2, domains=[reading(2.0)]))
    assert found.domains[0].uncertainty == Uncertainty(
        edge_j=3.0, gain_j=10.0, gain_origin="a table"
    )
    found = energy(raw(1, domains=[reading(1.0)]), raw(2, domains=[domain(100.0)]))
    assert found.domains[0].uncertainty is None
    found = energy(raw(1, domains=[reading(1.0, sampling_j=1.0)]), raw(2, domains=[reading(2.0)]))
    assert found.domains[0].uncertainty == Uncertainty(
        edge_j=3.0, gain_j=10.0, gain_origin="a table"
    )


def test_energy_that_was_off_is_told() -> None:
    found = energy(raw(domains=[], energy={"backend": "none"}))
    assert (found.total_j, found.partial_j, found.headline, found.boundary) == (
        None,
        None,
        None,
        (),
    )
    assert found.reason == "energy was not measured (energy.backend: none)"


def test_a_source_that_found_nothing_is_told() -> None:
    assert energy(raw(domains=[])).reason == "the energy source found nothing to read"
    absent = domain(None, "gpu", expected=False, reason="no GPU")
    missing_is_told(energy(raw(domains=[absent])), None, "gpu: no GPU")


def test_a_recording_stays_one() -> None:
    assert energy(raw(), raw(2, energy={"replayed": True})).replayed


def emitting(kg: float | None, **changes: Any) -> dict[str, Any]:
    return {"energy": {"emissions_kg_co2": kg, "emissions_reason": "no grid"}, **changes}


def test_emissions_of_cycles_add_up() -> None:
    found = energy(raw(1, **emitting(0.5)), raw(2, **emitting(0.25)))
    assert (found.emissions_kg_co2, found.emissions_reason) == (0.75, None)


def test_a_machines_emissions_are_charged_once() -> None:
    found = energy(*ranks([[domain(), domain(1.0, "ram")]] * 8, **emitting(0.5)))
    assert found.emissions_kg_co2 == 0.5


def test_emissions_of_devices_add_up() -> None:
    assert (
        energy(*ranks([[gpu(1.0, "a")], [gpu(1.0, "b")]], **emitting(0.5))).emissions_kg_co2 == 1.0
    )


def test_emissions_of_overlapping_devices_cannot_be_told() -> None:
    found = energy(
        *ranks([[gpu(1.0, "a"), gpu(1.0, "b")], [gpu(1.0, "b"), gpu(1.0, "c")]], **emitting(0.5))
    )
    assert found.emissions_kg_co2 is None
    assert "share" in (found.emissions_reason or "")


@pytest.mark.parametrize(
    ("raws", "word"),
    [
        ([raw(1, **emitting(0.5)), raw(2, **emitting(None))], "no grid"),
        ([raw(1, **emitting(0.5)), raw(2, domains=[domain(None)], **emitting(0.0))], "missing"),
        ([raw(domains=[], energy={"backend": "none", "emissions_reason": "off"})], "off"),
    ],
)
def test_emissions_that_are_not_known_are_none(raws: list[RawProcessResult], word: str) -> None:
    found = energy(*raws)
    assert found.emissions_kg_co2 is None
    assert word in (found.emissions_reason or "")


def test_the_method_of_a_sum_is_that_of_its_parts() -> None:
    found = energy(raw(1), raw(2))
    assert [(d.name, d.scope, d.method) for d in found.domains] == [("cpu", MACHINE, COUNTER)]


def test_a_domain_that_holds_others_is_shown_and_never_added_up() -> None:
    psys = domain(90.0, "psys", counted=False)
    lost = domain(None, "psys", counted=False)
    for cycles in ([psys, psys], [psys, lost], [lost, lost]):
        found = energy(*(raw(n, domains=[domain(10.0), one]) for n, one in enumerate(cycles, 1)))
        assert found.total_j == 20.0
        assert found.boundary == ("cpu:machine:counter",)
        assert [(d.name, d.counted) for d in found.domains] == [("cpu", True), ("psys", False)]


@pytest.mark.parametrize("lost_in", [1, 2])
def test_the_loss_of_a_domain_that_holds_others_takes_nothing_from_the_total(lost_in: int) -> None:
    cpu, holds_cpu = domain(10.0), domain(100.0, "psys", counted=False)
    cycles = {cycle: [cpu] if cycle == lost_in else [cpu, holds_cpu] for cycle in (1, 2)}
    found = energy(*(raw(cycle, domains=domains) for cycle, domains in cycles.items()))
    assert (found.total_j, found.reason) == (20.0, None)
    lost = next(d for d in found.domains if d.name == "psys")
    assert (lost.joules, lost.counted) == (None, False)
    assert lost.reason is not None and f"cycle {lost_in}" in lost.reason


def test_where_a_number_comes_from_survives_the_sum_over_cycles() -> None:
    why = Reason(code=ReasonCode.RAPL_UNREADABLE, detail="sudo chmod")
    cycles = [
        raw(n, domains=[domain(1.0, method=ESTIMATED, source="estimate", instead_of=(why,))])
        for n in (1, 2)
    ]
    (found,) = energy(*cycles).domains
    assert (found.source, found.instead_of) == ("estimate", (why,))
