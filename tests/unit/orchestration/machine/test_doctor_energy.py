from __future__ import annotations

from typing import Any

import pytest

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    Evidence,
    MeasurementWindow,
    Uncertainty,
)
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.exceptions import EnergyBackendError
from llenergymeasure.orchestration.machine import doctor_energy
from llenergymeasure.orchestration.machine.checks import Check, CheckState
from llenergymeasure.orchestration.machine.doctor_energy import judge_source, try_energy_source
from llenergymeasure.orchestration.machine.energy_probe import probe_source

COUNTER, ESTIMATED = EnergyMethod.COUNTER, EnergyMethod.ESTIMATED
REMEDY = "cpu: this user may not read the counters; until the next boot: sudo chmod o+r /x"


def domain(
    name: str, method: EnergyMethod | None, joules: float | None = None, **changes: Any
) -> DomainReading:
    reason = None if method is not None else "no permission"
    return DomainReading(
        **{
            "name": name,
            "scope": EnergyScope.MACHINE,
            "method": method,
            "joules": joules if joules is not None or method is None else 20.0,
            "reason": reason,
            "source": "some",
            **changes,
        }
    )


def reading(*domains: DomainReading) -> EnergyReading:
    return EnergyReading(backend="some+other", domains=domains)


def test_a_source_as_a_whole() -> None:
    gpu, cpu = domain("gpu:0", COUNTER), domain("cpu", ESTIMATED)
    psys = domain("psys", COUNTER, counted=False)
    lost = domain("gpu:1", None)
    none_here = domain("gpu", None, expected=False)

    assert judge_source(reading(gpu)).state is CheckState.OK
    assert "gpu:0 measured" in judge_source(reading(gpu, cpu, psys)).detail
    assert judge_source(reading(cpu, none_here)).state is CheckState.WARNING
    assert judge_source(reading(cpu, psys)).state is CheckState.WARNING
    told = judge_source(reading(gpu, lost))
    assert (told.state, told.hint) == (CheckState.WARNING, "the total would be null")
    assert "no number of gpu:1" in told.detail
    assert judge_source(reading(lost)).state is CheckState.FAILED
    assert judge_source(reading()).state is CheckState.FAILED


def checks(monkeypatch: pytest.MonkeyPatch, answer: EnergyReading | Exception) -> list[Check]:
    def told(*_: Any) -> EnergyReading:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(doctor_energy, "probe_source", told)
    return try_energy_source()


def test_each_domain_with_what_it_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    window = MeasurementWindow(
        start_monotonic_ns=0, end_monotonic_ns=200_000_000,
        start_utc="2030-01-01T00:00:00Z", duration_s=0.2,
    )  # fmt: skip
    gpu = domain(
        "gpu:0", COUNTER, window=window, uncertainty=Uncertainty(edge_j=0.1),
        evidence=Evidence(counter_update_ms=100.0, power_update_ms=19.0, tail_j=1.0),
    )  # fmt: skip
    cpu = domain("cpu:0", COUNTER, evidence=Evidence(counter_update_ms=1.0))
    _, of_gpu, of_cpu = checks(monkeypatch, reading(gpu, cpu))
    assert of_gpu.state is of_cpu.state is CheckState.OK
    assert of_gpu.detail == "counter by some, updated every 100 ms, 1% edge error from 2 s on"
    assert of_cpu.detail == "counter by some, updated every 1 ms, 1% edge error from 0.2 s on"
    assert of_gpu.facts["shortest_window_s"] == pytest.approx(2.0)
    assert of_gpu.facts["source"] == "some"


def test_the_way_to_something_better_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Reason(code=ReasonCode.RAPL_UNREADABLE, detail=REMEDY)
    estimated = domain("cpu", ESTIMATED, instead_of=(closed,), uncertainty=Uncertainty(model_j=8.0))
    unread = domain("cpu:0", None, findings=(closed,))
    _, first, second = checks(monkeypatch, reading(estimated, unread))
    assert (first.state, first.hint) == (CheckState.WARNING, REMEDY)
    assert first.detail == "estimated by some, may be off by 40%"
    assert (second.state, second.hint) == (CheckState.WARNING, REMEDY)
    assert second.detail == "no number: no permission (some)"


def test_an_estimate_that_nothing_here_betters_is_no_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none_here = Reason(code=ReasonCode.NO_RAPL, detail="there is no RAPL counter")
    cpu, ram = domain("cpu", ESTIMATED, instead_of=(none_here,)), domain("ram", ESTIMATED)
    whole, of_cpu, of_ram = checks(monkeypatch, reading(cpu, ram))
    assert whole.state is CheckState.WARNING
    assert of_cpu.state is of_ram.state is CheckState.OK
    assert of_cpu.hint == "there is no RAPL counter"


def test_what_is_not_there_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    none_here = domain("gpu", None, expected=False, reason="there is no NVIDIA driver")
    _, of_gpu = checks(monkeypatch, reading(none_here))
    assert of_gpu.state is CheckState.ABSENT
    assert of_gpu.detail == "none here: there is no NVIDIA driver (some)"


def test_a_source_that_fails_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = checks(monkeypatch, EnergyBackendError("it broke", hint="mend it"))
    assert (found.state, found.hint) == (CheckState.FAILED, "mend it")
    assert "it broke" in found.detail


class Source:
    def __init__(self, fail: str = "") -> None:
        self.fail = fail
        self.log: list[str] = []

    def _step(self, name: str) -> None:
        self.log.append(name)
        if name == self.fail:
            raise ZeroDivisionError(name)

    def prepare(self) -> None:
        self._step("prepare")

    def start(self) -> None:
        self._step("start")

    def stop(self) -> EnergyReading:
        self._step("stop")
        return reading(domain("cpu", COUNTER))

    def close(self) -> None:
        self.log.append("close")


def test_a_probe_opens_one_window_and_closes_the_source() -> None:
    source = Source()
    assert probe_source(lambda: source, "x").backend == "some+other"
    assert source.log == ["prepare", "start", "stop", "close"]


@pytest.mark.parametrize("step", ["prepare", "start", "stop"])
def test_whatever_a_source_raises_is_told(step: str) -> None:
    source = Source(fail=step)
    with pytest.raises(EnergyBackendError, match=f"ZeroDivisionError: {step}"):
        probe_source(lambda: source, "x")
    assert source.log[-1] == "close"


def test_a_source_that_hangs_is_given_up() -> None:
    import threading

    released = threading.Event()

    class Hanging(Source):
        def prepare(self) -> None:
            released.wait(30)

    with pytest.raises(EnergyBackendError, match=r"x gave no reading within 0\.05 s"):
        probe_source(Hanging, "x", timeout_s=0.05)
    released.set()
