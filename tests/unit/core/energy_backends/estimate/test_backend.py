"""The estimate: what it says follows from CPU time and size, and says that it is a model."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from llenergymeasure.config.backend_configs import EstimateConfig
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.core.energy_backends.estimate import backend as estimate
from llenergymeasure.core.energy_backends.estimate.backend import EstimateBackend
from llenergymeasure.core.energy_backends.estimate.power_model import Machine
from llenergymeasure.core.energy_backends.poller import Poller
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyScope
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.exceptions import EnergyBackendError

MACHINE = Machine(cpu=None, virtual=False, cores=1000, sockets=1, memory_bytes=16 * 2**30)
BURN = "import time\nwhile time.process_time() < {s}: pass"


def backend(machine: Machine = MACHINE, root: int | None = None, **options: Any) -> EstimateBackend:
    made = EstimateBackend(
        EstimateConfig.model_validate(options), machine=lambda: machine, root=root
    )
    made.prepare()
    return made


def measure(source: EstimateBackend, burn_s: float = 0.0) -> dict[str, DomainReading]:
    source.start()
    if burn_s:
        code = BURN.format(s=burn_s)
        subprocess.run([sys.executable, "-S", "-c", code], check=True, timeout=120)
    reading = source.stop()
    assert reading.backend == "estimate"
    return {domain.name: domain for domain in reading.domains}


def test_it_keeps_the_contract() -> None:
    results = run_energy_conformance(lambda: EstimateBackend(EstimateConfig()))
    assert [result for result in results if not result.passed] == []


def test_all_is_estimated_and_says_by_what() -> None:
    found = measure(backend(cpu_tdp_w=10_000.0), burn_s=0.5)

    assert set(found) == {"cpu", "ram"}
    for domain in found.values():
        assert domain.method is EnergyMethod.ESTIMATED
        assert domain.source == "estimate"
        assert domain.expected
        assert domain.uncertainty is not None
        assert domain.uncertainty.model_j == pytest.approx(0.4 * (domain.joules or 0))
        assert "40 %" in (domain.uncertainty.model_origin or "")
        assert domain.uncertainty.gain_j is None
        assert (domain.uncertainty_j or 0) >= (domain.uncertainty.model_j or 0)
    # Idle cores are in neither the number nor its interval; all of the memory is.
    assert found["cpu"].scope is EnergyScope.PROCESS
    assert found["ram"].scope is EnergyScope.MACHINE
    assert found["cpu"].origin == (
        "CPU time of the measured processes x TDP 10000 W (energy.estimate.cpu_tdp_w) / 1000 cores"
    )
    # 10 W for each core in use.
    assert found["cpu"].joules == pytest.approx(5.0, abs=1.5)
    window = found["ram"].window
    assert window is not None
    assert found["ram"].joules == pytest.approx(6.0 * window.duration_s)
    assert "16.0 GiB" in (found["ram"].origin or "")


def test_no_more_cores_than_there_are() -> None:
    one_core = Machine(cpu=None, virtual=False, cores=1, sockets=1, memory_bytes=1)
    source = backend(one_core, cpu_tdp_w=10.0)
    source.start()
    code = BURN.format(s=0.3)
    children = [subprocess.Popen([sys.executable, "-S", "-c", code]) for _ in range(4)]
    for child in children:
        child.wait(timeout=120)
    (cpu, _) = source.stop().domains
    assert cpu.window is not None
    assert 0 < (cpu.joules or 0) <= 10.0 * cpu.window.duration_s


def test_an_idle_tree_uses_next_to_nothing() -> None:
    source = backend(cpu_tdp_w=10_000.0)
    source.start()
    time.sleep(0.3)
    (cpu, ram) = source.stop().domains
    assert (cpu.joules or 0) < 1.0
    # Rounding to ticks is never hidden by a small number.
    assert (cpu.uncertainty_j or 0) >= 0.2
    assert ram.window is not None
    assert ram.joules == pytest.approx(6.0 * ram.window.duration_s)


def test_samples_are_the_share_of_the_machine_in_use() -> None:
    source = backend(interval_ms=20.0)
    assert source.samples() == []
    found = measure(source, burn_s=0.4)
    (series,) = source.samples()
    assert (series.device, series.quantity) == ("cpu", "cpu_percent")
    assert len(series.times_ns) == len(series.values) >= 5
    assert max(series.values) > 100 / (os.cpu_count() or 1) / 4
    assert found["cpu"].evidence is not None
    # The last look may come too soon after the one before to be a sample.
    assert found["cpu"].evidence.samples - len(series.values) in (1, 2)
    assert 0 <= min(series.values) <= max(series.values) <= 100


class Looks:
    """A process tree that tells what it is told to, at given times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, used_s: list[tuple[float, float]]) -> None:
        self.left = list(used_s)
        self.now_s = 0.0
        monkeypatch.setattr(estimate, "TreeMeter", lambda root, adopter: self)
        monkeypatch.setattr(estimate, "Poller", lambda look, every_s, name: self)
        monkeypatch.setattr(estimate.psutil, "cpu_count", lambda: 2)
        self.window = estimate._Window(1, lambda: round(self.now_s * 1e9), 0.1)

    def stop(self) -> None:
        """As the poller."""

    def used_s(self, search: bool | None) -> float:
        self.now_s, used_s = self.left.pop(0)
        return used_s

    def percent(self) -> dict[float, float]:
        while len(self.left) > 1:
            self.window._look()
        self.window.end()
        series = self.window.series()
        times_s = [round(time_ns / 1e9, 3) for time_ns in series.times_ns]
        return dict(zip(times_s, [round(value, 6) for value in series.values], strict=True))


@pytest.mark.parametrize(
    ("looks", "percent"),
    [
        # One of two CPUs all the time; the window ends shortly after a look.
        ([(0.1, 0.1), (0.2, 0.2), (0.203, 0.2)], {0.1: 50, 0.203: pytest.approx(48.5, abs=0.1)}),
        ([(0.1, 0.1), (0.2, 0.2), (0.28, 0.28)], {0.1: 50, 0.2: 50, 0.28: 50}),
        # Too short for anything.
        ([(0.003, 0.0)], {}),
        # A child that was found late had worked before.
        ([(0.1, 0.1), (0.2, 0.1), (0.3, 0.4)], {0.1: 50, 0.2: 50, 0.3: 100}),
    ],
)
def test_a_sample_is_what_an_interval_can_tell(
    monkeypatch: pytest.MonkeyPatch,
    looks: list[tuple[float, float]],
    percent: dict[float, float],
) -> None:
    assert Looks(monkeypatch, looks).percent() == percent


@pytest.mark.parametrize(("option_ms", "told_s"), [(60_000, 0.02), (20, 60.0)])
def test_it_looks_as_often_as_the_quicker_of_both_ways_to_tell_it(
    option_ms: float, told_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[float] = []

    def poller(action: Callable[[], object], every_s: float, name: str) -> Poller:
        found.append(every_s)
        return Poller(action, every_s, name)

    monkeypatch.setattr(estimate, "Poller", poller)
    source = EstimateBackend(EstimateConfig(interval_ms=option_ms))
    source.sample_every(told_s)
    source.prepare()
    source.start()
    source.close()
    assert found == [0.02]


def test_a_tree_that_ended_has_no_number() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    source = backend(root=child.pid)
    source.start()
    child.communicate(b"\n", timeout=120)
    (cpu, ram) = source.stop().domains
    assert (cpu.joules, cpu.method, cpu.expected) == (None, None, True)
    assert [finding.code for finding in cpu.findings] == [ReasonCode.SAMPLES_MISSING]
    assert ram.joules is not None


def test_all_ranks_are_counted_from_one_of_them() -> None:
    """Eight processes of one parent, of which the first measures."""
    rank = (
        "import json, os, sys, time\n"
        "from llenergymeasure.config.backend_configs import EstimateConfig\n"
        "from llenergymeasure.core.energy_backends.estimate.backend import EstimateBackend\n"
        "from llenergymeasure.core.energy_backends.estimate.power_model import Machine\n"
        "machine = Machine(None, False, 1000, 1, 1)\n"
        "source = EstimateBackend(EstimateConfig(cpu_tdp_w=1000.0), machine=lambda: machine)\n"
        "source.prepare(); source.start(); print('open', flush=True); input()\n"
        "print(source.stop().domains[0].joules)\n"
    )
    launcher = (
        "import os, subprocess, sys\n"
        "env = {**os.environ, 'RANK': '0', 'WORLD_SIZE': '8', 'LOCAL_RANK': '0'}\n"
        f"first = subprocess.Popen([sys.executable, '-c', {rank!r}], env=env, text=True,\n"
        "    stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "first.stdout.readline()\n"
        f"others = [subprocess.Popen([sys.executable, '-S', '-c', {BURN.format(s=0.1)!r}])\n"
        "    for _ in range(7)]\n"
        "for other in others: other.wait()\n"
        "print(first.communicate('\\n')[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", launcher],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    # 1 W for each core in use: 7 x 0.1 s, and each process's start.
    assert 0.6 < float(done.stdout) < 4.0


def test_it_must_be_prepared() -> None:
    with pytest.raises(EnergyBackendError, match="prepare"):
        EstimateBackend(EstimateConfig()).start()


def test_it_is_ready_at_once() -> None:
    source = EstimateBackend(EstimateConfig())
    begin = time.process_time()
    source.prepare()
    assert time.process_time() - begin < 0.2
