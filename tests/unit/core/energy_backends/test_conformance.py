"""Our backends pass the suite, and each check can fail."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from llenergymeasure.config.backend_configs import CurveSegment, ReplayConfig
from llenergymeasure.core.energy_backends import conformance
from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.core.energy_backends.none import NoEnergyBackend, UnavailableEnergyBackend
from llenergymeasure.core.energy_backends.replay.backend import ReplayBackend
from llenergymeasure.domain.energy import EnergyMethod, EnergyReading
from llenergymeasure.domain.samples import SampleSeries

CONSTANT = ReplayConfig(curve=CurveSegment(power_w=100.0))
WINDOW_S = 0.002


@pytest.mark.parametrize(
    "make",
    [
        NoEnergyBackend,
        lambda: UnavailableEnergyBackend("codecarbon", "it fell over"),
        lambda: ReplayBackend(CONSTANT),
    ],
    ids=["none", "unavailable", "replay"],
)
def test_our_backends_keep_the_contract(make: Callable[[], EnergyBackend]) -> None:
    results = run_energy_conformance(make, window_s=WINDOW_S, steady_power=True)

    assert len(results) == len({result.name for result in results}) >= 16
    assert [result for result in results if not result.passed] == []


class Broken(ReplayBackend):
    """A replay source with one fault."""

    fault: Callable[[EnergyReading], EnergyReading]

    def stop(self) -> EnergyReading:
        return type(self).fault(super().stop())


def changed(**domain: Any) -> Callable[[EnergyReading], EnergyReading]:
    def change(reading: EnergyReading) -> EnergyReading:
        return reading.model_copy(
            update={"domains": tuple(d.model_copy(update=domain) for d in reading.domains)}
        )

    return change


def earlier_window(reading: EnergyReading) -> EnergyReading:
    window = reading.domains[0].window
    assert window is not None
    start_ns = window.start_monotonic_ns - 1_000_000_000
    shifted = window.model_copy(update={"start_monotonic_ns": start_ns})
    return changed(window=shifted)(reading)


def wrong_duration(reading: EnergyReading) -> EnergyReading:
    window = reading.domains[0].window
    assert window is not None
    return changed(window=window.model_copy(update={"duration_s": 60.0}))(reading)


_names = iter(range(1000))


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (earlier_window, "window_lies_in_the_calls"),
        (wrong_duration, "window_lies_in_the_calls"),
        (changed(window=None), "window_lies_in_the_calls"),
        (changed(joules=-1.0), "joules_are_finite_and_not_negative"),
        (changed(joules=math.nan), "joules_are_finite_and_not_negative"),
        (changed(joules=None, method=None), "missing_has_a_reason"),
        (changed(method=None), "numbers_have_a_method"),
        (changed(joules=None, reason="gone"), "numbers_have_a_method"),
        (changed(method=EnergyMethod.ESTIMATED, origin=None), "estimates_have_an_origin"),
        (lambda r: r.model_copy(update={"emissions_reason": None}), "emissions_are_explained"),
        (lambda r: r.model_copy(update={"emissions_kg_co2": -1.0}), "emissions_are_explained"),
        (lambda r: r.model_copy(update={"domains": r.domains * 2}), "domain_names_are_unique"),
        (lambda r: changed(name=f"gpu:{next(_names)}")(r), "domains_are_stable"),
        (changed(origin=object), "readings_survive_storage"),
        (lambda r: None, "windows_repeat"),
    ],
)
def test_a_wrong_reading_fails_its_check(fault: Any, check: str) -> None:
    broken = type("Faulty", (Broken,), {"fault": staticmethod(fault)})
    assert check in failed(lambda: broken(CONSTANT))


class CarelessStop(NoEnergyBackend):
    def stop(self) -> EnergyReading:
        self._timer.forget()
        return EnergyReading(backend="none", emissions_reason="off")


class CarelessStart(NoEnergyBackend):
    def start(self) -> None:
        self._timer.forget()
        super().start()


class OneWindowOnly(NoEnergyBackend):
    def close(self) -> None:
        if self._timer._opened is not None:
            raise RuntimeError("a window is open")

    def stop(self) -> EnergyReading:
        reading = super().stop()
        self._timer.open()
        return reading


class CloseNeedsPrepare(NoEnergyBackend):
    def prepare(self) -> None:
        self.tracker = object()

    def close(self) -> None:
        del self.tracker


class LeavesAThread(NoEnergyBackend):
    end = threading.Event()

    def prepare(self) -> None:
        threading.Thread(target=self.end.wait, name="left-behind", daemon=True).start()


class Shrinking(ReplayBackend):
    """The later the caller asks to stop, the fewer joules; on a busy machine any window may be
    the longest.
    """

    def start(self) -> None:
        super().start()
        self.started_ns = time.monotonic_ns()

    def stop(self) -> EnergyReading:
        asked_ns = time.monotonic_ns() - self.started_ns
        return changed(joules=1e15 / asked_ns)(super().stop())


def failed(make: Callable[[], EnergyBackend]) -> dict[str, str]:
    results = run_energy_conformance(make, window_s=WINDOW_S, steady_power=True)
    assert all(result.detail for result in results if not result.passed)
    return {result.name: result.detail for result in results if not result.passed}


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (CarelessStop, "stop_without_start_is_refused"),
        (CarelessStart, "windows_do_not_nest"),
        (OneWindowOnly, "windows_repeat"),
        (OneWindowOnly, "close_forgets_an_open_window"),
        (CloseNeedsPrepare, "close_before_prepare"),
        (CloseNeedsPrepare, "close_is_idempotent"),
        (lambda: Shrinking(CONSTANT), "longer_windows_hold_more"),
    ],
)
def test_a_wrong_life_cycle_fails_its_check(make: Callable[[], EnergyBackend], check: str) -> None:
    assert check in failed(make)


def test_a_thread_that_stays_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "llenergymeasure.core.energy_backends.conformance.THREADS_END_WITHIN_S"
    monkeypatch.setattr(module, 0.05)
    try:
        assert "left-behind" in failed(LeavesAThread)["no_thread_is_left"]
    finally:
        LeavesAThread.end.set()


def test_a_backend_that_cannot_be_prepared_fails_every_reading_check() -> None:
    broken = failed(lambda: ReplayBackend(ReplayConfig(path="absent.csv")))
    assert "absent.csv" in broken["windows_repeat"]
    assert broken["missing_has_a_reason"] == "not checked: no window could be measured"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda s: replace(s, times_ns=[at - 10**9 for at in s.times_ns]), "outside of the calls"),
        (lambda s: replace(s, times_ns=[s.times_ns[0]] * len(s.values)), "do not rise"),
        (lambda s: replace(s, values=[*s.values, 1.0]), "times and"),
        (lambda s: replace(s, values=[math.nan] * len(s.values)), "not finite"),
        (lambda s: replace(s, device=""), "without device"),
    ],
)
def test_samples_that_do_not_fit_the_window_are_found(
    fault: Callable[[SampleSeries], SampleSeries], words: str
) -> None:
    class BadSamples(ReplayBackend):
        def samples(self) -> Sequence[SampleSeries]:
            return [fault(series) for series in super().samples()]

    results = {r.name: r for r in run_energy_conformance(lambda: BadSamples(CONSTANT))}
    assert not results["samples_lie_in_the_window"].passed
    assert words in results["samples_lie_in_the_window"].detail


def test_a_source_that_hangs_fails_its_checks_and_ends_the_suite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    class Hanging(ReplayBackend):
        def prepare(self) -> None:
            released.wait(60)

    monkeypatch.setattr(conformance, "CHECK_WITHIN_S", 0.02)
    monkeypatch.setattr(conformance, "THREADS_END_WITHIN_S", 0.0)
    results = run_energy_conformance(lambda: Hanging(CONSTANT), window_s=WINDOW_S)
    released.set()
    found = {result.name: result.detail for result in results}
    assert found["windows_repeat"] == "it did not answer within 0.02 s"
    assert not next(r for r in results if r.name == "windows_repeat").passed
