from __future__ import annotations

import importlib.util
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.combined.backend import CompositeBackend
from llenergymeasure.core.energy_backends.combined.ownership import Leniency
from llenergymeasure.core.energy_backends.combined.part import Limits, Part
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import DomainReading, EnergyReading, EnergyScope, total_energy
from llenergymeasure.domain.validity import ReasonCode, ValidityStatus, judge
from llenergymeasure.exceptions import EnergyBackendError, EnergyDevicesError

_spec = importlib.util.spec_from_file_location(
    "scripted_sources", Path(__file__).with_name("scripted.py")
)
assert _spec is not None and _spec.loader is not None
scripted = importlib.util.module_from_spec(_spec)
sys.modules["scripted_sources"] = scripted
_spec.loader.exec_module(scripted)
Scripted, counted, estimated = scripted.Scripted, scripted.counted, scripted.estimated
faulty, absent = scripted.faulty, scripted.absent

AUTO = Leniency(unreadable=True, failed=True)
LIST = Leniency()
KINDS = {"nvml": ("gpu",), "rapl": ("cpu", "ram"), "estimate": ("cpu", "ram")}
NO_DRIVER = absent("gpu", ReasonCode.NVML_UNAVAILABLE)
NO_TREE = absent("cpu", ReasonCode.NO_RAPL)
ESTIMATES = (estimated("cpu", 7.0), estimated("ram", 3.0))


def part(source: Any) -> Part:
    return Part(source.name, source, EnergyScope.MACHINE, KINDS.get(source.name, ()))


def composite(*sources: Any, leniency: Leniency = AUTO) -> CompositeBackend:
    return CompositeBackend([part(source) for source in sources], leniency)


def read(*sources: Any, leniency: Leniency = AUTO) -> EnergyReading:
    with closing(composite(*sources, leniency=leniency)) as backend:
        backend.prepare()
        backend.start()
        return backend.stop()


def told(reading: EnergyReading) -> dict[str, tuple[str | None, float | None]]:
    return {domain.name: (domain.source, domain.joules) for domain in reading.domains}


def nvml(*domains: DomainReading, **more: Any) -> Any:
    return Scripted("nvml", *(domains or (counted("gpu:0", 100.0, "GPU-a"),)), **more)


def rapl(*domains: DomainReading, **more: Any) -> Any:
    return Scripted("rapl", *(domains or (counted("cpu:0", 20.0), counted("ram:0", 5.0))), **more)


def estimate(**more: Any) -> Any:
    return Scripted("estimate", *ESTIMATES, **more)


def test_each_kind_comes_from_the_first_source_that_has_it() -> None:
    reading = read(nvml(version="13.5"), rapl(), estimate())
    assert told(reading) == {
        "gpu:0": ("nvml", 100.0),
        "cpu:0": ("rapl", 20.0),
        "ram:0": ("rapl", 5.0),
    }
    assert reading.backend == "nvml+rapl"
    assert reading.version == "nvml 13.5"
    assert total_energy(reading.domains).total_j == 125.0


def test_what_a_counter_lacks_is_estimated_beside_it() -> None:
    reading = read(nvml(), rapl(counted("cpu:0", 20.0)), estimate())
    assert told(reading)["ram"] == ("estimate", 3.0)
    totals = total_energy(reading.domains)
    assert (totals.total_j, totals.estimated_j) == (120.0, 3.0)


def test_without_hardware_the_next_source_takes_over_and_says_why() -> None:
    reading = read(nvml(NO_DRIVER), rapl(NO_TREE), estimate())
    assert told(reading) == {
        "gpu": ("nvml", None),
        "cpu": ("estimate", 7.0),
        "ram": ("estimate", 3.0),
    }
    by_name = {domain.name: domain for domain in reading.domains}
    assert not by_name["gpu"].expected
    assert [reason.code for reason in by_name["cpu"].instead_of] == [ReasonCode.NO_RAPL]
    assert by_name["ram"].instead_of == ()
    assert reading.backend == "estimate"
    assert total_energy(reading.domains).total_j == 10.0


@pytest.mark.parametrize(
    "code", [ReasonCode.DEVICE_LOST, ReasonCode.COUNTER_FROZEN, ReasonCode.SENSOR_UNSUPPORTED]
)
def test_a_fault_is_not_filled_in_by_a_later_source(code: ReasonCode) -> None:
    broken = nvml(faulty("gpu:0", code, "GPU-a"))
    reading = read(broken, Scripted("other", counted("gpu:0", 50.0, "GPU-a")), estimate())
    assert told(reading)["gpu:0"] == ("nvml", None)
    totals = total_energy(reading.domains)
    assert totals.total_j is None
    assert totals.missing == ("gpu:0",)
    assert reading.backend == "nvml+estimate"


def test_a_gpu_that_is_lost_after_the_start_stays_missing() -> None:
    source = nvml()
    with closing(composite(source, estimate())) as backend:
        backend.prepare()
        source.domains = ()
        backend.start()
        reading = backend.stop()
        source.domains = (
            absent("gpu:0", ReasonCode.NO_GPU).model_copy(update={"device_id": "GPU-a"}),
        )
        backend.start()
        vanished = backend.stop()
    assert total_energy(reading.domains).missing == ("gpu:0",)
    assert total_energy(vanished.domains).missing == ("gpu:0",)


UNREADABLE = faulty("cpu:0", ReasonCode.RAPL_UNREADABLE)


def test_counters_that_may_not_be_read_give_way_in_auto_with_the_remedy() -> None:
    reading = read(rapl(UNREADABLE), estimate())
    assert told(reading) == {"cpu": ("estimate", 7.0), "ram": ("estimate", 3.0)}
    cpu, ram = reading.domains
    (why,) = cpu.instead_of
    assert (why.code, why.detail) == (
        ReasonCode.RAPL_UNREADABLE,
        "cpu:0: rapl_unreadable, run this",
    )
    assert ram.instead_of == ()
    findings = [finding for domain in reading.domains for finding in domain.findings]
    assert judge(findings).status is ValidityStatus.VALID
    # What it says of itself is not said a second time, as a check that failed.
    assert cpu.evidence is None
    assert total_energy(reading.domains).total_j == 10.0


def test_counters_that_may_not_be_read_are_missing_where_they_were_named() -> None:
    other = Scripted("codecarbon", estimated("cpu", 7.0))
    reading = read(rapl(UNREADABLE), other, leniency=LIST)
    assert told(reading) == {"cpu:0": ("rapl", None)}
    assert total_energy(reading.domains).total_j is None


def test_one_readable_package_of_two_is_no_reason_to_estimate_both() -> None:
    half = (counted("cpu:0", 20.0), faulty("cpu:1", ReasonCode.RAPL_UNREADABLE))
    reading = read(rapl(*half), estimate())
    assert told(reading)["cpu:0"] == ("rapl", 20.0)
    assert total_energy(reading.domains).missing == ("cpu:1",)


def test_a_source_that_cannot_be_set_up_gives_way_in_auto_only() -> None:
    failing = {"prepare": EnergyBackendError("no tree at /nowhere", hint="set the root")}
    covered = read(rapl(fails=failing), estimate())
    assert told(covered) == {"cpu": ("estimate", 7.0), "ram": ("estimate", 3.0)}
    (why,) = covered.domains[0].instead_of
    assert why.detail == "no tree at /nowhere (set the root)"

    named = read(rapl(fails=failing), estimate(), leniency=LIST)
    assert told(named) == {"cpu": ("rapl", None), "ram": ("rapl", None)}
    assert {domain.reason for domain in named.domains} == {why.detail}


def test_nobody_else_has_what_failed_so_it_is_missing_also_in_auto() -> None:
    failing = {"prepare": EnergyBackendError("GPUs in which order?")}
    reading = read(nvml(fails=failing), rapl(), estimate())
    assert total_energy(reading.domains).missing == ("gpu",)


def test_a_device_that_the_user_names_and_is_not_there_is_an_error() -> None:
    wrong = nvml(fails={"prepare": EnergyDevicesError("no GPU 9")})
    for leniency in (AUTO, LIST):
        with pytest.raises(EnergyDevicesError, match="no GPU 9"):
            read(wrong, estimate(), leniency=leniency)


def test_a_plug_in_that_breaks_is_told_and_does_not_break_the_others() -> None:
    for method in ("prepare", "start", "stop"):
        toy = Scripted("toy", counted("fan", 1.0), fails={method: ValueError("bad")})
        reading = read(toy, rapl(), leniency=LIST)
        missing = total_energy(reading.domains).missing
        assert missing in (("toy",), ("fan",))
        (lost,) = [domain for domain in reading.domains if domain.name in missing]
        assert "ValueError: bad" in (lost.reason or "")
        assert told(reading)["cpu:0"] == ("rapl", 20.0)


def test_a_source_that_fails_to_stop_once_is_missing_in_that_window_only() -> None:
    source = nvml()
    with closing(composite(source, rapl())) as backend:
        backend.prepare()
        readings = []
        for failing in (False, True, False):
            backend.start()
            source.fails = {"stop": EnergyBackendError("torn off")} if failing else {}
            readings.append(backend.stop())
            if failing:
                source._timer.forget()
    assert [total_energy(reading.domains).total_j for reading in readings] == [125.0, None, 125.0]
    (lost,) = [domain for domain in readings[1].domains if domain.name == "gpu:0"]
    assert (lost.device_id, lost.reason) == ("GPU-a", "torn off")


def test_another_source_checks_the_same_device_and_is_not_counted() -> None:
    theirs = Scripted("zeus", counted("gpu:1", 98.0, "GPU-a"), counted("gpu:0", 51.0, "GPU-b"))
    own = nvml(counted("gpu:0", 100.0, "GPU-a"), counted("gpu:1", 50.0, "GPU-b"))
    reading = read(own, theirs, leniency=LIST)
    assert total_energy(reading.domains).total_j == 150.0
    checks = [domain.evidence.cross_checks for domain in reading.domains if domain.evidence]
    assert [(c.source, c.joules, c.covers) for (c,) in checks] == [
        ("zeus", 98.0, ()),
        ("zeus", 51.0, ()),
    ]
    assert [c.disagreement for (c,) in checks] == pytest.approx([-0.02, 0.02])
    assert reading.backend == "nvml"


def test_what_another_source_does_not_tell_apart_is_compared_as_a_sum() -> None:
    own = nvml(counted("gpu:0", 100.0, "GPU-a"), counted("gpu:1", 50.0, "GPU-b"))
    reading = read(own, Scripted("codecarbon", counted("gpu", 165.0)), leniency=LIST)
    first, second = reading.domains
    assert first.evidence is not None
    (check,) = first.evidence.cross_checks
    assert check.covers == ("gpu:0", "gpu:1")
    assert check.disagreement == pytest.approx(0.1)
    assert second.evidence is None


def test_a_check_that_failed_says_so_and_an_estimate_checks_nothing() -> None:
    lost = Scripted("zeus", faulty("gpu:0", ReasonCode.DEVICE_LOST, "GPU-a"))
    model = Scripted("codecarbon", estimated("gpu", 3.0), estimated("cpu", 1.0))
    reading = read(nvml(), rapl(), lost, model, leniency=LIST)
    by_name = {domain.name: domain for domain in reading.domains}
    evidence = by_name["gpu:0"].evidence
    assert evidence is not None
    (check,) = evidence.cross_checks
    assert (check.joules, check.disagreement, check.reason) == (None, None, "gpu:0 has device_lost")
    assert by_name["cpu:0"].evidence is None


def test_psys_is_shown_and_not_counted() -> None:
    tree = rapl(counted("cpu:0", 20.0), counted("psys", 60.0, counted=False))
    reading = read(nvml(), tree, estimate())
    assert told(reading)["psys"] == ("rapl", 60.0)
    assert total_energy(reading.domains).total_j == 120.0


def test_an_unreadable_psys_makes_no_source_of_its_tree() -> None:
    psys = faulty("psys", ReasonCode.RAPL_UNREADABLE).model_copy(update={"counted": False})
    reading = read(rapl(UNREADABLE, psys), estimate())
    assert reading.backend == "estimate"
    assert told(reading)["psys"] == ("rapl", None)
    assert total_energy(reading.domains).total_j == 10.0


def test_emissions_hold_where_one_source_read_all_that_counts() -> None:
    everything = Scripted("codecarbon", counted("cpu", 20.0), counted("gpu", 5.0), kg_co2=0.5)
    alone = read(nvml(NO_DRIVER), everything, leniency=LIST)
    assert (alone.emissions_kg_co2, alone.emissions_reason) == (0.5, None)

    mixed = read(nvml(), everything, leniency=LIST)
    assert mixed.emissions_kg_co2 is None
    assert "energy.backend to codecarbon" in (mixed.emissions_reason or "")

    without_its_gpu = read(nvml(faulty("gpu:0", ReasonCode.DEVICE_LOST)), everything, leniency=LIST)
    assert without_its_gpu.emissions_kg_co2 is None

    assert read(rapl(), estimate()).emissions_reason == "rapl knows no grid"


def test_nothing_at_all_is_null_with_its_reasons() -> None:
    reading = read(nvml(NO_DRIVER), rapl(NO_TREE), leniency=LIST)
    assert told(reading) == {"gpu": ("nvml", None), "cpu": ("rapl", None)}
    assert all(domain.reason for domain in reading.domains)
    assert reading.backend == "nvml+rapl"
    assert reading.emissions_reason


def test_replayed_joules_of_a_part_make_the_whole_replayed() -> None:
    assert read(nvml(replayed=True), rapl()).replayed
    assert not read(
        nvml(), Scripted("zeus", counted("gpu:0", 1.0, "GPU-a"), replayed=True)
    ).replayed


def test_the_slowest_to_start_goes_first_and_stops_last() -> None:
    calls: list[tuple[str, str]] = []
    time = scripted.VirtualTime()
    ms = 1_000_000
    sources = [
        rapl(calls=calls, takes_ns=5 * ms, time=time),
        nvml(calls=calls, takes_ns=20 * ms, time=time),
        # Not a whole millisecond: as quick as rapl for this purpose, so it keeps its place.
        estimate(calls=calls, takes_ns=5 * ms + 7, time=time),
    ]
    parts = [Part(s.name, s, kinds=KINDS[s.name], clock=time.now_ns) for s in sources]
    with closing(CompositeBackend(parts, AUTO, time.now_ns)) as backend:
        backend.prepare()
        assert [part.start_ns for part in parts] == [5 * ms, 20 * ms, 5 * ms + 7]
        calls.clear()
        begin_ns = time.now_ns()
        backend.start()
        time.pass_ns(100 * ms)
        reading = backend.stop()
    assert [name for name, method in calls if method == "start"] == ["nvml", "rapl", "estimate"]
    assert [name for name, method in calls if method == "stop"] == ["estimate", "rapl", "nvml"]
    windows = {domain.source: domain.window for domain in reading.domains}
    assert {
        source: (w.start_monotonic_ns - begin_ns, w.end_monotonic_ns - begin_ns)
        for source, w in windows.items()
        if w
    } == {
        "nvml": (20 * ms, 130 * ms + 7),
        "rapl": (25 * ms, 130 * ms + 7),
    }


QUICK = Limits(prepare_s=0.05, window_s=0.05, between_s=0.05, patience_s=0.01)


@pytest.mark.parametrize("method", ["prepare", "start", "stop"])
@pytest.mark.parametrize("how_many", [1, 2])
def test_one_that_hangs_costs_its_own_joules_only(method: str, how_many: int) -> None:
    stuck = [nvml(hangs=[method]), Scripted("toy", counted("fan", 1.0), hangs=[method])][:how_many]
    sources = [*stuck, rapl(), Scripted("late", counted("soc", 2.0))]
    parts = [Part(s.name, s, kinds=KINDS.get(s.name, ()), limits=QUICK) for s in sources]
    backend = CompositeBackend(parts, LIST)
    backend.prepare()
    for _ in range(2):
        backend.start()
        reading = backend.stop()
        assert told(reading)["cpu:0"] == ("rapl", 20.0)
        assert told(reading)["soc"] == ("late", 2.0)
        assert len(total_energy(reading.domains).missing) == how_many
        (lost,) = [domain for domain in reading.domains if domain.source == "nvml"]
        assert "did not answer within 0.05 s" in (lost.reason or "")
    backend.close()
    assert all(source.closed.is_set() for source in sources[how_many:])

    # What comes back when nobody waits for it any more is closed, and opens no window.
    life = ["prepare", "start", "stop"]
    until_it_hung = life[: life.index(method) + 1]
    for source in stuck:
        assert not source.closed.is_set()
        source.let_go.set()
        assert source.closed.wait(30)
        assert [name for _, name in source.calls] == [*until_it_hung, "close"]


@pytest.mark.parametrize("method", ["samples", "temperatures_c", "close"])
def test_one_that_hangs_between_windows_costs_nothing_of_the_others(method: str) -> None:
    sensors = scripted.ScriptedWithSensors
    stuck = sensors("nvml", counted("gpu:0", 100.0, "GPU-a"), hangs=[method])
    sound = sensors("other", counted("soc", 1.0))
    backend = CompositeBackend([Part(s.name, s, limits=QUICK) for s in (stuck, sound)], LIST)
    backend.prepare()
    for _ in range(2):
        backend.start()
        reading = backend.stop()
        assert told(reading) == {"gpu:0": ("nvml", 100.0), "soc": ("other", 1.0)}
        assert {series.device for series in backend.samples()} >= {"soc"}
        assert set(backend.temperatures_c()) >= {"soc"}
    backend.close()
    assert [name for _, name in stuck.calls].count(method) == 1
    assert sound.closed.is_set()
    stuck.let_go.set()
    assert stuck.closed.wait(30)


def test_a_slow_source_is_waited_for_while_the_next_is_set_up() -> None:
    limits = Limits(patience_s=0.01)
    slow = nvml(hangs=["prepare"])
    quick = rapl()
    quick_prepare = quick.prepare

    def prepare_and_let_go() -> None:
        quick_prepare()
        slow.let_go.set()

    quick.prepare = prepare_and_let_go
    with closing(CompositeBackend([Part(s.name, s, limits=limits) for s in (slow, quick)])) as both:
        both.prepare()
        both.start()
        assert total_energy(both.stop().domains).total_j == 125.0


def test_a_named_device_that_is_not_there_is_told_also_beside_one_that_hangs() -> None:
    stuck, wrong = nvml(hangs=["prepare"]), rapl(fails={"prepare": EnergyDevicesError("no GPU 9")})
    backend = CompositeBackend([Part(s.name, s, limits=QUICK) for s in (stuck, wrong)], AUTO)
    with pytest.raises(EnergyDevicesError, match="no GPU 9"):
        backend.prepare()
    backend.close()
    stuck.let_go.set()
    assert stuck.closed.wait(30)


def test_samples_and_temperatures_are_the_owners() -> None:
    sensors = scripted.ScriptedWithSensors
    own = sensors("nvml", counted("gpu:0", 100.0, "GPU-a"))
    other = sensors("zeus", counted("gpu:0", 1.0, "GPU-b"), counted("soc", 1.0))
    with closing(composite(own, other, rapl(), leniency=LIST)) as backend:
        backend.sample_every(0.5)
        backend.prepare()
        backend.start()
        backend.stop()
        assert [series.device for series in backend.samples()] == ["gpu:0", "soc"]
        assert backend.temperatures_c() == {"gpu:0": 40.0, "soc": 40.0}
    assert (own.interval_s, other.interval_s) == (0.5, 0.5)


def test_conditions_are_passed_on_once_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_conditions(source: Any, watts: float) -> Any:
        stop = source.stop
        seen = DeviceConditions(device="gpu:0", device_id="GPU-a", power_limit_w=watts)
        monkeypatch.setattr(
            source, "stop", lambda: stop().model_copy(update={"conditions": (seen,)})
        )
        return source

    other = Scripted("zeus", counted("gpu:0", 99.0, "GPU-a"))
    reading = read(with_conditions(nvml(), 300.0), with_conditions(other, 200.0))
    assert [seen.power_limit_w for seen in reading.conditions] == [300.0]


def test_misuse_is_refused() -> None:
    backend = composite(rapl(), estimate())
    with pytest.raises(EnergyBackendError, match="not prepared"):
        backend.start()
    backend.prepare()
    backend.close()
    with pytest.raises(EnergyBackendError, match="not prepared"):
        backend.start()


@pytest.mark.parametrize(
    "make",
    [
        lambda: composite(nvml(), rapl(), estimate()),
        lambda: composite(nvml(NO_DRIVER), rapl(UNREADABLE), estimate()),
        lambda: composite(nvml(fails={"prepare": ValueError("x")}), rapl(), leniency=LIST),
        lambda: composite(nvml(fails={"stop": ValueError("x")}), rapl(), leniency=LIST),
        lambda: composite(nvml(NO_DRIVER), rapl(NO_TREE), leniency=LIST),
    ],
)
def test_it_keeps_the_contract(make: Any) -> None:
    results = run_energy_conformance(make, window_s=0.005)
    assert not [result for result in results if not result.passed]


KIND = st.sampled_from(["gpu", "cpu", "ram"])
STATE = st.sampled_from(["number", "fault", "absent", "unreadable", "model"])


def domain_of(kind: str, state: str, place: int) -> DomainReading:
    name = f"{kind}:{place}"
    made = {
        "number": lambda: counted(name, 10.0 + place),
        "model": lambda: estimated(name, 10.0 + place),
        "fault": lambda: faulty(name, ReasonCode.DEVICE_LOST),
        "absent": lambda: absent(name, ReasonCode.NO_GPU),
        "unreadable": lambda: faulty(name, ReasonCode.RAPL_UNREADABLE),
    }
    found: DomainReading = made[state]()
    return found


@given(
    st.lists(st.dictionaries(KIND, STATE, min_size=1), min_size=1, max_size=4),
    st.booleans(),
)
def test_no_kind_counts_twice_and_no_fault_is_covered(
    machines: list[dict[str, str]], lenient: bool
) -> None:
    sources = [
        Scripted(f"s{place}", *(domain_of(kind, state, place) for kind, state in kinds.items()))
        for place, kinds in enumerate(machines)
    ]
    reading = read(*sources, leniency=Leniency(unreadable=lenient))
    for kind in {kind for kinds in machines for kind in kinds}:
        shown = [domain for domain in reading.domains if domain.name.startswith(kind)]
        assert len({domain.source for domain in shown}) == 1
        states = [kinds[kind] for kinds in machines if kind in kinds]
        pardoned = {"absent", "unreadable"} if lenient else {"absent"}
        standing = [state for state in states if state not in pardoned]
        first = standing[0] if standing else next((s for s in states if s != "absent"), "absent")
        assert (shown[0].joules is not None) == (first in ("number", "model"))
        assert shown[0].expected == (first != "absent")
