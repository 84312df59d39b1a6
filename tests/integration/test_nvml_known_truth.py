"""The NVML source through the real nvidia-ml-py, against GPUs whose power is known exactly."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    total_energy,
)
from llenergymeasure.domain.validity import ReasonCode

_path = Path(__file__).parents[1] / "native" / "stand_in.py"
_spec = importlib.util.spec_from_file_location("nvml_stand_in", _path)
assert _spec is not None and _spec.loader is not None
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["nvml_stand_in"] = stand_in
_spec.loader.exec_module(stand_in)

CURVES = (
    "curve=constant,high=350",
    "curve=ramp,low=80,high=700,period=3",
    "curve=square,low=80,high=700,duty=0.1",
    "curve=square,low=80,high=700,duty=0.25",
    "curve=square,low=80,high=700,duty=0.9",
)
LOW_FIRST = "curve=square,low=80,high=700,duty=0.25,ripple=0.5"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = stand_in.build(tmp_path_factory.mktemp("nvml"))
    return folder


def domains(told: dict[str, Any]) -> tuple[DomainReading, ...]:
    return EnergyReading.model_validate_json(told["reading"]).domains


def one_window(
    library: Path,
    gpus: str,
    seconds: float = 1.2,
    options: Any = None,
    changes: Sequence[tuple[float, int, str, str]] = (),
    **env: str,
) -> tuple[tuple[DomainReading, ...], list[float]]:
    there = stand_in.environment(library, gpus, **env)
    (told,) = stand_in.measure(there, [seconds], options, changes)
    return domains(told), told["truths_j"]


def off_j(domain: DomainReading, truth_j: float) -> float:
    """By how much the truth lies outside of the interval, the sensor's gain left out; in J.

    How wide the interval is, is for the virtual clock to test: a busy machine may widen it.
    """
    assert domain.joules is not None, domain.reason
    parts = domain.uncertainty
    assert parts is not None
    return abs(domain.joules - truth_j) - (parts.edge_j or 0.0) - (parts.sampling_j or 0.0)


def codes(domain: DomainReading) -> list[ReasonCode]:
    # In a container with process ids of its own, that they cannot be told apart is said too.
    return [f.code for f in domain.findings if f.code is not ReasonCode.PROCESSES_UNKNOWN]


def fleet(rng: random.Random, more: str) -> str:
    """One GPU a curve, each with phases of its own."""
    parts = []
    for curve in CURVES:
        phases = ",".join(
            f"{name}={rng.uniform(0, 1000):.3f}" for name in ("counter_phase_ms", "power_phase_ms")
        )
        parts.append(f"{curve},offset={rng.uniform(0, 3):.4f},{phases},ripple=0.5,{more}")
    return ";".join(parts)


@pytest.mark.parametrize("counter_ms", [20, 100])
def test_windows_by_the_counter_are_true(library: Path, counter_ms: int) -> None:
    gpus = fleet(random.Random(counter_ms), f"counter_ms={counter_ms}")
    told = stand_in.measure(stand_in.environment(library, gpus), [2.3, 2.8])
    off = []
    for window in told:
        for domain, truth_j in zip(domains(window), window["truths_j"], strict=True):
            assert domain.method is EnergyMethod.COUNTER, domain.reason
            off.append(off_j(domain, truth_j))
            assert domain.evidence is not None
            seen_ms = domain.evidence.counter_update_ms
            assert seen_ms is None or seen_ms == pytest.approx(counter_ms, rel=0.1)
    assert len(off) == 10
    # Nineteen of twenty intervals are to hold the truth.
    assert sum(outside_j > 0 for outside_j in off) <= 1


def test_windows_by_power_are_true(library: Path) -> None:
    gpus = fleet(random.Random(1), "no_counter=1")
    (told,) = stand_in.measure(stand_in.environment(library, gpus), [4.6])
    for domain, truth_j in zip(domains(told), told["truths_j"], strict=True):
        assert domain.method is EnergyMethod.INTEGRATED, domain.reason
        assert off_j(domain, truth_j) <= 0
        assert domain.origin == "NVML power (NVML_FI_DEV_POWER_INSTANT)"


def test_the_fallback_of_power_is_named(library: Path) -> None:
    gpus = f"{LOW_FIRST},no_instant=1;{LOW_FIRST},no_instant=1,no_counter=1"
    (counter, power), truths_j = one_window(library, gpus, 2.0)
    for domain, truth_j in zip((counter, power), truths_j, strict=True):
        assert domain.evidence is not None
        assert domain.evidence.power_source == "nvmlDeviceGetPowerUsage"
        assert domain.joules is not None
        assert abs(domain.joules - truth_j) <= (domain.uncertainty_j or 0.0)
    assert power.origin == "NVML power (nvmlDeviceGetPowerUsage)"


def test_the_gain_is_in_the_interval(library: Path) -> None:
    gpus = ";".join(f"{LOW_FIRST},gain={gain}" for gain in (0.955, 1.0, 1.045))
    found, truths_j = one_window(library, gpus, 2.0)
    for domain, truth_j in zip(found, truths_j, strict=True):
        assert domain.joules is not None
        assert abs(domain.joules - truth_j) <= (domain.uncertainty_j or 0.0)


# What a GPU is, and what happens to it within the window.
FAULTS: dict[ReasonCode, tuple[str, tuple[tuple[str, str], ...]]] = {
    ReasonCode.COUNTER_RESET: ("high=350", (("reset_at", "+0"),)),
    # Little power, so that the counter does not catch up unseen.
    ReasonCode.COUNTER_BACKWARDS: ("high=10", (("backwards_at", "+0"),)),
    ReasonCode.COUNTER_FROZEN: ("high=350", (("freeze_at", "+0"),)),
    ReasonCode.DEVICE_LOST: ("high=350", (("lost_at", "+0"),)),
    ReasonCode.SENSOR_UNSUPPORTED: ("no_counter=1,no_power=1,no_instant=1", ()),
    # From 50 to 5,000 W, of which power shows nothing; long after the start, which can take some.
    ReasonCode.WITNESS_DISAGREES: (
        "curve=square,low=50,high=5000,period=1000,duty=0.5,offset=+3,power_frozen_at=+3",
        (),
    ),
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_of_one_of_two_gives_null_there_and_the_rest_stands(
    library: Path, code: ReasonCode
) -> None:
    gpu, happens = FAULTS[code]
    (sound, faulty), truths_j = one_window(
        library,
        f"{LOW_FIRST};curve=constant,{gpu}",
        3.4 if code is ReasonCode.WITNESS_DISAGREES else 1.6,
        changes=[(0.6, 1, key, value) for key, value in happens],
    )

    assert faulty.joules is None
    assert faulty.method is None
    assert faulty.reason
    assert codes(faulty) == [code]
    assert off_j(sound, truths_j[0]) <= 0
    totals = total_energy((sound, faulty))
    assert totals.total_j is None
    assert totals.partial_j == sound.joules
    assert totals.missing == ("gpu:1",)


def test_a_gpu_that_was_lost_before_is_missing_too(library: Path) -> None:
    (sound, lost), _ = one_window(library, f"{LOW_FIRST};lost_at=0")
    assert sound.joules is not None
    assert lost.joules is None
    assert lost.expected
    assert codes(lost) == [ReasonCode.DEVICE_LOST]


def test_a_counter_that_stands_still_from_the_start_is_frozen(library: Path) -> None:
    (frozen,), _ = one_window(library, "freeze_at=0", 0.5)
    assert frozen.joules is None
    assert codes(frozen) == [ReasonCode.COUNTER_FROZEN]


@pytest.mark.parametrize(
    ("gpus", "env", "code", "expected"),
    [
        ("", {}, ReasonCode.NO_GPU, False),
        ("high=1", {"CUDA_VISIBLE_DEVICES": ""}, ReasonCode.NO_GPU, False),
        ("high=1", {"CUDA_VISIBLE_DEVICES": "-1"}, ReasonCode.NO_GPU, False),
        ("high=1", {"NVML_STAND_IN_NO_DRIVER": "1"}, ReasonCode.NVML_UNAVAILABLE, False),
        ("high=1", {"NVML_STAND_IN_MISMATCH": "1"}, ReasonCode.NVML_UNAVAILABLE, True),
    ],
)
def test_nothing_to_measure_is_said(
    library: Path, gpus: str, env: dict[str, str], code: ReasonCode, expected: bool
) -> None:
    (domain,), _ = one_window(library, gpus, 0.05, **env)
    assert domain.joules is None
    assert domain.name == "gpu"
    assert domain.expected is expected
    assert codes(domain) == [code]
    assert total_energy((domain,)).total_j is None


def test_without_the_library_there_is_no_number(tmp_path: Path) -> None:
    # A file that is no library hides one that the system may have.
    (tmp_path / stand_in.LIBRARY).write_bytes(b"")
    script = (
        "from llenergymeasure.config.backend_configs import NvmlConfig\n"
        "from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend\n"
        "b = NvmlBackend(NvmlConfig()); b.prepare(); b.start(); r = b.stop(); b.close()\n"
        "print(r.model_dump_json())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=stand_in.environment(tmp_path, ""),
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    (domain,) = EnergyReading.model_validate_json(done.stdout).domains
    assert domain.joules is None
    assert codes(domain) == [ReasonCode.NVML_UNAVAILABLE]


UUIDS = ["GPU-000000a0-0000-4000-8000-000000000000", "GPU-000000a1-0000-4000-8000-000000000001"]


@pytest.mark.parametrize(
    ("visible", "names"),
    [("1", ["gpu:1"]), ("1,0", ["gpu:1", "gpu:0"]), ("GPU-000000a1", ["gpu:1"])],
)
def test_devices_are_those_that_cuda_shows(library: Path, visible: str, names: list[str]) -> None:
    found, truths_j = one_window(library, "high=100;high=300", 0.3, CUDA_VISIBLE_DEVICES=visible)
    assert [domain.name for domain in found] == names
    assert [domain.device_id for domain in found] == [UUIDS[int(name[-1])] for name in names]
    assert {domain.scope for domain in found} == {EnergyScope.DEVICE}
    assert all(off_j(*each) <= 0 for each in zip(found, truths_j, strict=True))


@pytest.mark.parametrize("name", ["1", UUIDS[1], "GPU-000000A1", "00000000:11:00.0"])
def test_a_config_names_devices_over_what_cuda_shows(library: Path, name: str) -> None:
    found, _ = one_window(
        library, "high=100;high=300", 0.1, {"devices": [name]}, CUDA_VISIBLE_DEVICES="0"
    )
    assert [domain.device_id for domain in found] == [UUIDS[1]]


def test_mig_slices_are_their_parents_reading_once_and_flagged(library: Path) -> None:
    pieces = f"MIG-{UUIDS[1][4:]},MIG-02{UUIDS[1][6:]}"
    (domain,), truths_j = one_window(
        library, "high=100;high=300,mig=1", 0.5, CUDA_VISIBLE_DEVICES=pieces
    )
    assert domain.device_id == UUIDS[1]
    assert off_j(domain, truths_j[0]) <= 0
    assert codes(domain) == [ReasonCode.MIG_SHARED]


CONFORMANCE = """
from llenergymeasure.config.backend_configs import NvmlConfig
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend

results = run_energy_conformance(lambda: NvmlBackend(NvmlConfig()), steady_power=True)
print([result for result in results if not result.passed], len(results))
"""


@pytest.mark.parametrize("gpus", ["", "high=300;high=200,no_counter=1", "lost_at=0", "freeze_at=0"])
def test_it_keeps_the_contract(library: Path, gpus: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CONFORMANCE],
        env=stand_in.environment(library, gpus),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == "[] 18", done.stdout + done.stderr


def lem(library: Path, gpus: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["lem", *arguments],
        env=stand_in.environment(library, gpus, **env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def experiment(library: Path, gpus: str, folder: Path, **env: str) -> dict[str, Any]:
    config = folder / "experiment.json"
    config.write_text(
        json.dumps(
            {
                "config_name": "known-truth",
                "model_name": "echo",
                "backend": "echo",
                "echo": {"prefill_s": 0.3, "output_tokens": [5]},
                "num_prompts": 4,
                "warmup": {"prompts": 1},
                "baseline": {"enabled": False},
                "energy": {"backend": "nvml"},
            }
        )
    )
    done = lem(library, gpus, "experiment", str(config), **env)
    assert done.returncode == 0, done.stderr
    (aggregate,) = (folder / "results" / "aggregated").glob("*.json")
    told: dict[str, Any] = json.loads(aggregate.read_text())
    return told


def test_an_experiment_is_billed_the_joules_of_its_gpus(library: Path, tmp_path: Path) -> None:
    told = experiment(library, "high=100;high=300", tmp_path)
    energy = told["metrics"]["energy"]
    windows = {domain["name"]: domain["window"]["duration_s"] for domain in energy["domains"]}
    assert energy["headline"] == "measured"
    assert energy["boundary"] == ["gpu:device:counter"]
    expected_j = 100 * windows["gpu:0"] + 300 * windows["gpu:1"]
    edges_j = sum(domain["uncertainty"]["edge_j"] for domain in energy["domains"])
    assert abs(energy["total_j"] - expected_j) <= edges_j
    assert edges_j < energy["uncertainty_j"]
    assert energy["uncertainty_j"] > 0.03 * energy["total_j"]


def test_an_experiment_that_loses_a_gpu_has_no_total(library: Path, tmp_path: Path) -> None:
    told = experiment(library, "high=100;lost_at=0", tmp_path)
    energy, validity = told["metrics"]["energy"], told["validity"]
    assert energy["total_j"] is None
    assert energy["j_per_output_token"] is None
    assert energy["partial_j"] > 0
    assert validity["status"] == "invalid"
    assert {"device_lost", "energy_unavailable"} <= {r["code"] for r in validity["reasons"]}
