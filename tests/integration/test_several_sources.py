"""Real sources together: GPUs of known power, a fake powercap tree, the estimate, Zeus."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.domain.energy import EnergyMethod, total_energy
from llenergymeasure.domain.validity import ReasonCode

NATIVE = Path(__file__).parents[1] / "native"


def native(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_of_several", NATIVE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


stand_in, powercap_tree, metering = map(native, ("stand_in", "powercap_tree", "metering"))

RANGE = powercap_tree.RANGE_UJ
TWO_GPUS = "curve=square,low=80,high=400,duty=0.25;high=200"
NOBODY = 65534


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = stand_in.build(tmp_path_factory.mktemp("nvml"))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    zones = {
        "intel-rapl:0": {"name": "package-0", "energy_uj": 5, "range_uj": RANGE},
        "intel-rapl:0:0": {"name": "dram", "energy_uj": 7, "range_uj": RANGE},
        "intel-rapl:1": {"name": "psys", "energy_uj": 9, "range_uj": RANGE},
    }
    made: Path = powercap_tree.write_tree(tmp_path / "powercap", zones)
    return made


def environment(library: Path, root: Path | None, gpus: str = TWO_GPUS, **more: str) -> Any:
    tree = str(root) if root is not None else "/nowhere"
    return stand_in.environment(library, gpus, LEM_POWERCAP_ROOT=tree, **more)


# Advances the tree inside of the window, by 30 J, 2 J and 80 J.
ADVANCED = f"""
import runpy, pathlib, os
tree = runpy.run_path({str(NATIVE / "powercap_tree.py")!r})
step = {{"intel-rapl:0": 3_000_000, "intel-rapl:0:0": 200_000, "intel-rapl:1": 8_000_000}}
m.start()
tree["run_plan"](pathlib.Path(os.environ["LEM_POWERCAP_ROOT"]), [step] * 10, 0.1)
m.stop()
"""


def test_auto_measures_each_domain_once_from_the_best_source(library: Path, root: Path) -> None:
    # A retry finds the tree where the last one left it: only differences count.
    env = environment(library, root)
    found = metering.metered(env, {"m": {"backend": "auto"}}, ADVANCED)["m"]
    domains = found.domains
    assert {name: domain.source for name, domain in domains.items()} == {
        "gpu:0": "nvml",
        "gpu:1": "nvml",
        "cpu:0": "rapl",
        "ram:0": "rapl",
        "psys": "rapl",
    }
    assert {domain.method for domain in domains.values()} == {EnergyMethod.COUNTER}
    assert [domains[name].joules for name in ("cpu:0", "ram:0", "psys")] == [30.0, 2.0, 80.0]
    for name in ("gpu:0", "gpu:1"):
        assert metering.off_j(domains[name], found.truths_j[name]) <= 0
    gpu_j = sum(domains[name].joules or 0.0 for name in ("gpu:0", "gpu:1"))
    assert total_energy(found.reading.domains).total_j == pytest.approx(gpu_j + 32.0)
    assert found.reading.backend == "nvml+rapl"

    windows = {name: domain.window for name, domain in domains.items()}
    assert None not in windows.values()
    # A GPU's window opens at its counter's last step, before the others', and is closed last.
    for gpu, other in itertools.product(("gpu:0", "gpu:1"), ("cpu:0", "ram:0", "psys")):
        assert windows[gpu].start_monotonic_ns <= windows[other].start_monotonic_ns
        assert windows[other].end_monotonic_ns <= windows[gpu].end_monotonic_ns
    assert {series.device for series in found.samples} >= {"gpu:0", "gpu:1", "cpu:0", "ram:0"}
    assert [one.device for one in found.reading.conditions] == ["gpu:0", "gpu:1"]


def test_a_gpu_that_is_lost_meanwhile_voids_the_total(library: Path) -> None:
    env = environment(library, None, f"{TWO_GPUS},lost_at=+2.5")
    found = metering.one_window(env, "auto", 2.5)
    assert found.domains["gpu:1"].joules is None
    totals = total_energy(found.reading.domains)
    assert totals.total_j is None
    assert totals.missing == ("gpu:1",)
    assert totals.partial_j is not None
    assert ReasonCode.DEVICE_LOST in [reason.code for reason in found.reasons]


def test_without_any_sensor_everything_is_an_estimate(library: Path) -> None:
    env = environment(library, None, NVML_STAND_IN_NO_DRIVER="1")
    found = metering.one_window(env, "auto", 1.1)
    by_source = {name: (d.source, d.method) for name, d in found.domains.items()}
    assert by_source == {
        "gpu": ("nvml", None),
        "cpu": ("estimate", EnergyMethod.ESTIMATED),
        "ram": ("estimate", EnergyMethod.ESTIMATED),
    }
    assert not found.domains["gpu"].expected
    assert total_energy(found.reading.domains).total_j is not None
    assert found.reading.backend == "estimate"
    # Whether other work is going on here is not for this test to say.
    codes = {reason.code for reason in found.reasons} - {ReasonCode.CPU_CONTENTION}
    assert codes == {ReasonCode.NVML_UNAVAILABLE, ReasonCode.ESTIMATE_ONLY}


@pytest.fixture
def open_root() -> Any:
    """A tree in a place that anybody may walk to, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        zones = {"intel-rapl:0": {"name": "package-0", "energy_uj": 5, "range_uj": RANGE}}
        yield powercap_tree.write_tree(Path(folder) / "powercap", zones)


def test_counters_that_may_not_be_read_are_estimated_with_the_remedy(
    library: Path, open_root: Path
) -> None:
    is_root = os.geteuid() == 0
    (open_root / "intel-rapl:0" / "energy_uj").chmod(0o400 if is_root else 0)
    env = environment(library, open_root, NVML_STAND_IN_NO_DRIVER="1")
    found = metering.one_window(env, "auto", 1.1, user=NOBODY if is_root else None)
    cpu = found.domains["cpu"]
    assert (cpu.source, cpu.method) == ("estimate", EnergyMethod.ESTIMATED)
    assert cpu.evidence is not None
    assert cpu.evidence.cross_checks == ()
    (why,) = cpu.instead_of
    assert why.code is ReasonCode.RAPL_UNREADABLE
    assert "sudo chmod o+r" in why.detail
    (estimate_only,) = [r for r in found.reasons if r.code is ReasonCode.ESTIMATE_ONLY]
    assert estimate_only.detail.count("sudo chmod o+r") == 1
    assert ReasonCode.RAPL_UNREADABLE not in [reason.code for reason in found.reasons]


def test_meters_nest_and_overlap(library: Path, root: Path) -> None:
    body = """
outer.start(); time.sleep(0.5)
inner.start(); time.sleep(0.6); inner.stop()
late.start(); time.sleep(0.4)
outer.stop(); time.sleep(0.4); late.stop()
"""
    names = ("outer", "inner", "late")
    meters = {name: {"backend": "nvml,rapl"} for name in names}
    found = metering.metered(environment(library, root), meters, body)
    for one in found.values():
        for name in ("gpu:0", "gpu:1"):
            assert metering.off_j(one.domains[name], one.truths_j[name]) <= 0
    outer, inner, late = (found[name].domains["gpu:1"].window for name in names)
    assert outer is not None and inner is not None and late is not None
    assert outer.start_monotonic_ns < inner.start_monotonic_ns
    assert inner.end_monotonic_ns < late.start_monotonic_ns < outer.end_monotonic_ns
    assert outer.end_monotonic_ns < late.end_monotonic_ns


def test_a_meter_measures_the_gpus_and_at_the_interval_that_it_is_told(library: Path) -> None:
    how = {"backend": ["nvml", "estimate"], "gpus": ["1"], "interval_ms": 200.0}
    body = "m.start(); time.sleep(1.1); m.stop()"
    found = metering.metered(environment(library, None), {"m": how}, body)["m"]
    assert set(found.domains) == {"gpu:1", "cpu", "ram"}
    evidence = found.domains["gpu:1"].evidence
    assert evidence is not None
    # Left to itself it reads every 20 ms; a busy machine only makes gaps longer.
    assert evidence.longest_gap_s is not None and evidence.longest_gap_s >= 0.15


CHECK = """
import json, sys
from llenergymeasure.config.models import config_model
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.orchestration.factory import create_energy_backend

choice = sys.argv[1].split(",") if "," in sys.argv[1] else sys.argv[1]
config = config_model("echo", choice).model_validate(
    {"config_name": "c", "model_name": "m", "backend": "echo", "energy": {"backend": choice}}
)
results = run_energy_conformance(lambda: create_energy_backend(config, Rank(0, 1, 0)))
print([result for result in results if not result.passed], len(results) > 10)
"""


@pytest.mark.parametrize(
    ("choice", "gpus"),
    [
        ("auto", TWO_GPUS),
        ("auto", ""),
        ("rapl,nvml", "lost_at=0"),
    ],
)
def test_they_keep_the_contract_together(library: Path, root: Path, choice: str, gpus: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK, choice],
        env=environment(library, root, gpus),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "[] True", done.stdout + done.stderr


# Meters are set up in the background, several at once, as NVML allows.
AT_ONCE = """
import threading
from llenergymeasure.core.energy_backends.nvml.devices import Nvml

found, together = [], threading.Barrier(8, timeout=60)

def look():
    for _ in range(5):
        together.wait()
        nvml = Nvml()
        found.append(len(nvml.devices(None)))
        together.wait()
        nvml.close()

threads = [threading.Thread(target=look) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(set(found)), len(found))
"""


def test_sources_that_are_set_up_at_once_see_the_same_gpus(library: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE],
        env=environment(library, None, NVML_STAND_IN_INIT_MS="20"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "[2] 40", done.stdout + done.stderr
