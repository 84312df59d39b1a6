from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import namedtuple
from types import SimpleNamespace

import psutil
import pytest

from llenergymeasure.core.machine import load as system_load
from llenergymeasure.core.machine.load import (
    OTHER_CORES_LIMIT,
    LoadMeter,
    contention_reason,
)
from llenergymeasure.domain.environment import LoadSample, MachineLoad
from llenergymeasure.domain.validity import ReasonCode

BURN = "import time; end = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
Times = namedtuple("Times", "user nice system idle iowait irq softirq steal guest guest_nice")


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def own_cpu_s(sample: LoadSample) -> float:
    assert sample.own_cores is not None
    return sample.own_cores * sample.interval_s


def test_our_own_work_is_ours() -> None:
    meter = LoadMeter()
    burn(0.4)
    sample = meter.sample()

    assert own_cpu_s(sample) == pytest.approx(0.4, abs=0.1)
    assert sample.interval_s >= 0.4
    assert sample.other_cores is not None
    assert sample.other_cores >= 0


@pytest.mark.parametrize("wait", [True, False])
def test_the_work_of_a_child_is_ours_whether_it_has_ended_or_not(wait: bool) -> None:
    meter = LoadMeter()
    with subprocess.Popen(
        [sys.executable, "-c", BURN if wait else f"{BURN}\ninput()"], stdin=subprocess.PIPE
    ) as child:
        if wait:
            child.wait(timeout=180)
        else:
            deadline = time.monotonic() + 120
            while sum(psutil.Process(child.pid).cpu_times()[:2]) < 0.35:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        sample = meter.sample()
        child.kill()

    assert own_cpu_s(sample) >= 0.3


def test_a_child_that_worked_before_is_not_counted_when_it_is_reaped() -> None:
    with subprocess.Popen([sys.executable, "-c", BURN]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        meter = LoadMeter()
        child.wait(timeout=180)
        time.sleep(0.05)
        sample = meter.sample()

    assert own_cpu_s(sample) < 0.2


def test_samples_follow_each_other() -> None:
    meter = LoadMeter()
    burn(0.3)
    meter.sample()
    time.sleep(0.05)
    assert own_cpu_s(meter.sample()) < 0.2


class Machine:
    """Made-up counters, in CPU seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.own_s = 0.0
        self.parent_s = 0.0
        self.times = dict.fromkeys(Times._fields, 0.0)
        monkeypatch.setattr(system_load.time, "monotonic_ns", lambda: round(self.now_s * 1e9))
        monkeypatch.setattr(system_load.psutil, "cpu_times", lambda: Times(**self.times))
        tree = SimpleNamespace(used_s=lambda search: self.own_s)
        monkeypatch.setattr(system_load, "TreeMeter", lambda root, adopter: tree)
        parent = lambda pid: SimpleNamespace(total_s=self.parent_s)  # noqa: E731
        monkeypatch.setattr(system_load, "read_process", parent)

    def pass_time(self, seconds: float, own: float = 0, **busy: float) -> None:
        self.now_s += seconds
        self.own_s += own
        for name, cores in {"idle": 4.0, **busy}.items():
            self.times[name] += cores * seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_others_are_what_is_busy_and_not_ours(machine: Machine) -> None:
    meter = LoadMeter()
    machine.pass_time(10, own=10, user=1.5, system=0.25, nice=0.05, irq=0.1, softirq=0.1)
    sample = meter.sample()

    assert sample.own_cores == pytest.approx(1.0)
    assert sample.other_cores == pytest.approx(1.0)
    assert sample.interval_s == 10


def test_stolen_time_is_others_and_waiting_and_guests_are_not(machine: Machine) -> None:
    meter = LoadMeter()
    # A guest's time is in user time too.
    machine.pass_time(10, own=5, user=0.5, guest=0.5, guest_nice=0.1, iowait=3, steal=0.4)
    assert meter.sample().other_cores == pytest.approx(0.4)


def test_the_watching_parent_is_ours(machine: Machine) -> None:
    meter = LoadMeter(parent_pid=4711)
    machine.parent_s = 3
    machine.pass_time(10, own=5, user=0.8)
    sample = meter.sample()

    assert sample.own_cores == pytest.approx(0.8)
    assert sample.other_cores == pytest.approx(0.0)


def test_more_of_ours_than_the_machine_counted_is_rounding(machine: Machine) -> None:
    meter = LoadMeter()
    machine.pass_time(1, own=1.02, user=1.0)
    assert meter.sample().other_cores == 0


def test_counters_that_stand_still_say_nothing(machine: Machine) -> None:
    meter = LoadMeter()
    machine.pass_time(1, own=0.5, idle=0.0)
    sample = meter.sample()

    assert sample.own_cores == pytest.approx(0.5)
    assert sample.other_cores is None


def test_a_machine_without_counters_says_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> None:
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(system_load.psutil, "cpu_times", unreadable)
    meter = LoadMeter()
    machine.pass_time(1, own=0.5)
    assert meter.sample().other_cores is None


def test_a_parent_that_is_gone_is_left_out() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait(timeout=180)
    meter = LoadMeter(parent_pid=child.pid)
    time.sleep(0.05)
    assert meter.sample().own_cores is not None


def during(other_cores: float | None, interval_s: float = 60.0) -> MachineLoad:
    sample = LoadSample(interval_s=interval_s, own_cores=1.0, other_cores=other_cores)
    return MachineLoad(during=sample)


def test_contention_is_a_quarter_of_a_core() -> None:
    assert contention_reason(during(OTHER_CORES_LIMIT)) is None
    reason = contention_reason(during(0.5))

    assert reason is not None
    assert reason.code is ReasonCode.CPU_CONTENTION
    assert "0.50 cores" in reason.detail
    assert "stop them" in reason.detail


@pytest.mark.parametrize(
    ("interval_s", "tolerated", "not_tolerated"), [(0.5, 0.34, 0.36), (0.1, 0.74, 0.76)]
)
def test_short_windows_are_judged_with_their_rounding(
    interval_s: float, tolerated: float, not_tolerated: float
) -> None:
    assert contention_reason(during(tolerated, interval_s)) is None
    assert contention_reason(during(not_tolerated, interval_s)) is not None


@pytest.mark.parametrize("load", [MachineLoad(), during(None), during(None, 0.003)])
def test_what_could_not_be_read_is_said(load: MachineLoad) -> None:
    reason = contention_reason(load)
    assert reason is not None
    assert reason.code is ReasonCode.LOAD_UNKNOWN


def test_a_window_of_less_than_two_ticks_is_unknown(machine: Machine) -> None:
    meter = LoadMeter()
    machine.pass_time(0.01, own=0.0, user=1)
    sample = meter.sample()
    reason = contention_reason(MachineLoad(during=sample))

    assert sample.other_cores is None
    assert reason is not None
    assert "10 ms is too short" in reason.detail
