from __future__ import annotations

import sys
import time

import psutil
import pytest

from llenergymeasure import EnergyMeter
from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.core.energy_backends.replay.backend import ReplayBackend
from llenergymeasure.core.machine import load
from llenergymeasure.core.processes.measurements import OtherMeasurement
from llenergymeasure.domain.validity import ReasonCode, ValidityStatus
from llenergymeasure.exceptions import EnergyBackendError, UnknownBackendError
from llenergymeasure.orchestration.metering.command import measure_command

WATTS = {"curve": {"power_w": 50.0}}


def joules(meter: EnergyMeter) -> float:
    total = meter.energy.total_j
    assert total is not None
    return total


def test_a_block_is_measured_over_its_own_window() -> None:
    with EnergyMeter("replay", WATTS) as meter:
        time.sleep(0.1)
    (domain,) = meter.reading.domains
    assert domain.window is not None
    assert joules(meter) == pytest.approx(50.0 * domain.window.duration_s)
    assert {r.code for r in meter.reasons} >= {ReasonCode.ENERGY_REPLAYED}
    assert meter.validity.status is ValidityStatus.DEGRADED


def test_meters_nest_and_overlap() -> None:
    outer, inner = EnergyMeter("replay", WATTS), EnergyMeter("replay", WATTS)
    outer.start()
    inner.start()
    time.sleep(0.05)
    outer.stop()
    time.sleep(0.05)
    inner.stop()
    with EnergyMeter("replay", WATTS) as around:
        with EnergyMeter("replay", WATTS) as within:
            time.sleep(0.02)
        time.sleep(0.02)
    assert joules(around) > joules(within)
    assert joules(outer) > 0
    assert joules(inner) > 0
    outer.close()
    inner.close()


def test_one_meter_measures_windows_one_after_another() -> None:
    meter = EnergyMeter("replay", WATTS)
    readings = []
    for _ in range(2):
        meter.start()
        time.sleep(0.02)
        readings.append(meter.stop())
    meter.close()
    assert readings[0] != readings[1]
    assert meter.reading == readings[1]


def test_a_meter_that_was_closed_can_be_used_again() -> None:
    meter = EnergyMeter("replay", WATTS)
    for _ in range(2):
        with meter:
            time.sleep(0.05)
        (domain,) = meter.reading.domains
        assert domain.window is not None
        assert joules(meter) == pytest.approx(50.0 * domain.window.duration_s)
    meter.close()
    meter.start()
    assert meter.stop().domains[0].joules is not None
    meter.close()


def test_the_block_s_own_error_comes_through_and_is_measured() -> None:
    meter = EnergyMeter("replay", WATTS)
    with pytest.raises(ZeroDivisionError), meter:
        _ = 1 / 0
    assert meter.reading.domains


def test_a_source_that_breaks_costs_nothing_but_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_source: ReplayBackend) -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr(ReplayBackend, "stop", broken)
    measured = measure_command(["sh", "-c", "exit 7"], "replay", WATTS)
    assert measured.exit_code == 7
    assert measured.energy.total_j is None
    assert "replay failed to stop: RuntimeError: it broke" in (measured.energy.reason or "")
    assert measured.validity.status is ValidityStatus.INVALID


def test_misuse_is_told() -> None:
    meter = EnergyMeter("none")
    with pytest.raises(EnergyBackendError, match="measured nothing yet"):
        _ = meter.reading
    with pytest.raises(EnergyBackendError, match="not running"):
        meter.stop()
    meter.start()
    with pytest.raises(EnergyBackendError, match="running already"):
        meter.start()
    meter.close()
    with pytest.raises(UnknownBackendError, match="'replay'"):
        EnergyMeter("rplay")
    with pytest.raises(InvalidConfigError, match="curv: unknown key; did you mean 'curve'"):
        EnergyMeter("replay", {"curv": {}})


def test_a_source_that_cannot_be_set_up_says_so_in_the_reading(tmp_path) -> None:
    with EnergyMeter("replay", {"path": str(tmp_path / "nowhere.csv")}) as meter:
        pass
    assert meter.energy.total_j is None
    assert "nowhere.csv" in (meter.energy.reason or "")
    assert meter.validity.status is ValidityStatus.INVALID


def test_what_others_do_meanwhile_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a core that somebody else keeps busy, as the kernel's counts tell it."""
    now_s = [0.0]
    idle = psutil.cpu_times()

    def machine() -> object:
        now_s[0] += 1.0
        return idle._replace(user=idle.user + now_s[0], idle=idle.idle + now_s[0])

    monkeypatch.setattr(load.psutil, "cpu_times", machine)
    with EnergyMeter("none") as meter:
        time.sleep(0.03)
    assert meter.load is not None
    assert (meter.load.other_cores or 0) > 1
    (reason,) = [r for r in meter.reasons if r.code is ReasonCode.CPU_CONTENTION]
    assert "other processes" in reason.detail
    # Whoever starts later has no part in a window that is closed.
    monkeypatch.setattr(load, "find_other_measurements", lambda: [OtherMeasurement(1, "later")])
    assert reason in meter.validity.reasons


def test_nothing_that_is_said_of_a_program_is_about_prompts() -> None:
    for backend, options in (("estimate", {}), ("replay", WATTS), ("none", {})):
        measured = measure_command(["true"], backend, options)
        # Contention names what else is measured here, such as an experiment.
        others = ReasonCode.CPU_CONTENTION
        said = " ".join(r.detail for r in measured.validity.reasons if r.code is not others)
        assert said
        for word in ("prompt", "output", "token", "cycle", "experiment"):
            assert word not in said


def test_what_the_command_itself_does_is_not_contention() -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    measured = measure_command([sys.executable, "-S", "-c", burn], "none")
    assert measured.load is not None
    assert (measured.load.own_cores or 0) * measured.load.interval_s >= 0.4
    assert measured.as_data()["load"]["own_cores"] == measured.load.own_cores
