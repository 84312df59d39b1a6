"""How GPUs fare in a window, and what speaks against it, through the real nvidia-ml-py."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.core.processes.ownership import sees_host_pids
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import DomainReading, EnergyReading, total_energy
from llenergymeasure.domain.validity import ReasonCode, Severity, severity

_path = Path(__file__).parents[1] / "native" / "stand_in.py"
_spec = importlib.util.spec_from_file_location("nvml_stand_in_conditions", _path)
assert _spec is not None and _spec.loader is not None
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["nvml_stand_in_conditions"] = stand_in
_spec.loader.exec_module(stand_in)

NOTHING = "sm=-1,mem_used=-1,temp=-1,sm_clock=-1,limit=-1,throttle=-1,processes=-1"
SOMEBODY = os.getpid()  # neither the measuring process nor a descendant of it
# In a container with ids of its own nobody can be told to be foreign.
FOREIGN = [ReasonCode.FOREIGN_PROCESS] if sees_host_pids() else []

HW_SLOWDOWN, SW_POWER_CAP, SW_THERMAL, HW_THERMAL, POWER_BRAKE = 0x8, 0x4, 0x20, 0x40, 0x80

# Each GPU, the changes that are made to it at some seconds of the window, and what must be found.
SCENES: dict[str, tuple[str, list[tuple[float, str, str]], list[ReasonCode]]] = {
    "quiet": ("own=1", [], []),
    "momentary": (
        "own=1,throttle=1",
        [(0.5, "sm_clock", "300"), (1.0, "throttle", "2"), (1.2, "sm", "100")],
        [],
    ),
    "thermal": (
        "own=1",
        [(0.5, "throttle", str(SW_THERMAL | HW_THERMAL)), (1.2, "throttle", "0")],
        [ReasonCode.THROTTLED],
    ),
    "brake": (f"throttle={POWER_BRAKE | HW_SLOWDOWN}", [], [ReasonCode.THROTTLED]),
    "capped": (f"limit=300,throttle={SW_POWER_CAP}", [], [ReasonCode.POWER_CAPPED]),
    "limit": (
        "own=1,limit=700",
        [(0.5, "limit", "400"), (1.2, "limit", "700")],
        [ReasonCode.POWER_LIMIT_CHANGED],
    ),
    "application clock": ("", [(0.5, "app_clock", "1200")], [ReasonCode.CLOCKS_CHANGED]),
    "boost clock": ("", [(0.5, "boost_clock", "1200")], [ReasonCode.CLOCKS_CHANGED]),
    "visitor": (
        f"own=1,foreign_pid={SOMEBODY}",
        [(0.3, "foreign_at", "0"), (1.7, "foreign_at", "inf")],
        FOREIGN,
    ),
    "late visitor": (f"foreign_pid={SOMEBODY}", [(2.15, "foreign_at", "0")], FOREIGN),
    "supports nothing": (NOTHING, [(0.5, "app_clock", "1200")], []),
    "old driver": (
        f"old=1,own=1,throttle={HW_THERMAL},foreign_pid={SOMEBODY}",
        [(0.5, "app_clock", "1200"), (0.5, "foreign_at", "0")],
        [ReasonCode.THROTTLED, ReasonCode.CLOCKS_CHANGED, *FOREIGN],
    ),
    "new driver": (
        f"fresh=1,own=1,throttle={HW_THERMAL}",
        [(0.5, "app_clock", "1200")],
        [ReasonCode.THROTTLED, ReasonCode.CLOCKS_CHANGED],
    ),
    "unlisted": (f"processes=-1,foreign_pid={SOMEBODY},foreign_at=0", [], []),
}

# Scenes in which the GPU does not list its processes.
UNLISTED = ("supports nothing", "unlisted")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = stand_in.build(tmp_path_factory.mktemp("nvml"))
    return folder


@pytest.fixture(scope="module")
def told_scenes(library: Path) -> dict[str, Any]:
    """All of them at once: one GPU each, one window."""
    gpus = ";".join(f"curve=constant,{gpu}" for gpu, _, _ in SCENES.values())
    changes = [
        (at_s, index, key, value)
        for index, (_, made, _) in enumerate(SCENES.values())
        for at_s, key, value in made
    ]
    (told,) = stand_in.measure(stand_in.environment(library, gpus), [2.2], None, changes)
    return dict(told)


@pytest.fixture(scope="module")
def changed_s(told_scenes: dict[str, Any]) -> dict[str, list[float]]:
    """When each scene was really changed: a busy machine may be late."""
    found: dict[str, list[float]] = {}
    for index, at_s in told_scenes["changed_s"]:
        found.setdefault(list(SCENES)[index], []).append(at_s)
    return found


@pytest.fixture(scope="module")
def scenes(told_scenes: dict[str, Any]) -> dict[str, tuple[DomainReading, DeviceConditions]]:
    told = told_scenes
    reading = EnergyReading.model_validate_json(told["reading"])
    return dict(zip(SCENES, zip(reading.domains, reading.conditions, strict=True), strict=True))


Scenes = dict[str, tuple[DomainReading, DeviceConditions]]


@pytest.mark.parametrize("name", SCENES)
def test_exactly_what_happened_is_found(scenes: Scenes, name: str) -> None:
    domain, conditions = scenes[name]
    untold = [] if FOREIGN and name not in UNLISTED else [ReasonCode.PROCESSES_UNKNOWN]
    assert [finding.code for finding in domain.findings] == [*SCENES[name][2], *untold]
    assert domain.joules is not None, domain.reason
    assert domain.source == "nvml"
    assert all(finding.detail.startswith(f"{domain.name}: ") for finding in domain.findings)
    assert (conditions.device, conditions.device_id) == (domain.name, domain.device_id)


def detail(scenes: Scenes, name: str) -> str:
    return scenes[name][0].findings[0].detail


def test_a_finding_says_what_was_seen(scenes: Scenes) -> None:
    thermal = detail(scenes, "thermal")
    share = r"\d\d%"
    assert re.search(f"SW thermal slowdown {share}, HW thermal slowdown {share}$", thermal)
    assert "HW slowdown 100%, HW power brake 100%" in detail(scenes, "brake")
    assert "its power limit of 300 W held the clocks down for 100%" in detail(scenes, "capped")
    assert detail(scenes, "limit").endswith("went from 700 W to 400 W, then 700 W")
    assert detail(scenes, "application clock").endswith(
        "application clock (SM) from 1980 MHz to 1200 MHz"
    )
    assert "highest boost clock (SM)" in detail(scenes, "boost clock")
    if FOREIGN:
        assert f"computed on it: {SOMEBODY} (" in detail(scenes, "visitor")


def test_only_what_speaks_against_the_number_degrades_it(scenes: Scenes) -> None:
    found = {finding.code for domain, _ in scenes.values() for finding in domain.findings}
    assert {code for code in found if severity(code) is Severity.NOTE} == {
        ReasonCode.POWER_CAPPED,
        ReasonCode.PROCESSES_UNKNOWN,
    }
    assert all(severity(code) is not Severity.INVALID for code in found)
    assert total_energy(domain for domain, _ in scenes.values()).total_j is not None


def window_s(domain: DomainReading) -> float:
    assert domain.window is not None
    return domain.window.duration_s


def test_conditions_say_how_a_gpu_fared(
    scenes: Scenes, changed_s: Mapping[str, list[float]]
) -> None:
    _, momentary = scenes["momentary"]
    assert momentary.sm_clock_mhz is not None and momentary.sm_percent is not None
    assert (momentary.sm_clock_mhz.min, momentary.sm_clock_mhz.max) == (300, 1500)
    assert 300 < momentary.sm_clock_mhz.mean < 1500
    assert (momentary.sm_percent.min, momentary.sm_percent.max) == (50, 100)
    assert set(momentary.throttle_share) == {"gpu_idle", "applications_clocks_setting"}
    assert sum(momentary.throttle_share.values()) == pytest.approx(1)
    # Ten times a second, at the ends too; a busy machine may skip some.
    assert 5 <= momentary.sm_clock_mhz.n <= window_s(scenes["momentary"][0]) * 10 + 4

    domain, thermal = scenes["thermal"]
    began_s, ended_s = changed_s["thermal"]
    share = (ended_s - began_s) / window_s(domain)
    assert thermal.throttle_share["sw_thermal_slowdown"] == pytest.approx(share, abs=0.15)
    assert scenes["limit"][1].power_limit_w == 700
    assert scenes["capped"][1].power_limit_w == 300


def test_processes_are_told_apart(scenes: Scenes) -> None:
    _, quiet = scenes["quiet"]
    _, visited = scenes["visitor"]
    assert quiet.processes is not None and visited.processes is not None
    assert len(quiet.processes) == 1
    assert set(visited.processes) == {*quiet.processes, SOMEBODY}
    assert scenes["unlisted"][1].processes is None
    if FOREIGN:
        assert quiet.foreign_processes == ()
        assert visited.foreign_processes == (SOMEBODY,)
    assert scenes["unlisted"][1].foreign_processes is None


def test_what_a_gpu_does_not_support_is_left_out(scenes: Scenes) -> None:
    _, conditions = scenes["supports nothing"]
    told = conditions.model_dump(exclude={"device", "device_id", "power_w"})
    assert all(value in (None, {}, ()) for value in told.values()), told
    assert conditions.power_w is not None
    for driver in ("old driver", "new driver"):
        _, told_all = scenes[driver]
        seen = told_all.model_dump(exclude={"foreign_processes"})
        assert None not in seen.values(), driver


def test_every_sample_of_the_last_window_can_be_had(library: Path) -> None:
    gpus = "high=300,temp=40,temp_end=80,temp_tau=1,temp_from=+1,mem_used=1000;high=100,sm=-1"
    changes = [(0.5, 1, "limit", "500"), (0.5, 1, "throttle", "4")]
    env = stand_in.environment(library, gpus)
    first, told = stand_in.measure(env, [0.2, 1.5], {"interval_ms": 100}, changes)
    reading = EnergyReading.model_validate_json(told["reading"])
    series = {(device, quantity): (t, v) for device, quantity, t, v in told["samples"]}

    others = {
        *("power_w", "energy_j", "memory_used_bytes", "temperature_c", "sm_clock_mhz"),
        *("memory_clock_mhz", "power_limit_w", "throttle_reasons"),
    }
    for domain in reading.domains:
        assert domain.window is not None and domain.joules is not None
        expected = others | ({"sm_percent", "memory_percent"} if domain.name == "gpu:0" else set())
        assert {quantity for device, quantity in series if device == domain.name} == expected
        for quantity in expected:
            times_ns, values = series[domain.name, quantity]
            assert len(times_ns) == len(values)
            assert all(a < b for a, b in pairwise(times_ns))
            assert domain.window.start_monotonic_ns <= times_ns[0]
            assert times_ns[-1] <= domain.window.end_monotonic_ns
            # With one interval, everything is read that often and not more often.
            assert 5 <= len(values) <= window_s(domain) / 0.1 + 3
        times_ns, joules = series[domain.name, "energy_j"]
        assert 0 <= joules[0] < 0.1 * domain.joules
        # The last sample may lie some time before the end.
        share = (times_ns[-1] - domain.window.start_monotonic_ns) / 1e9 / window_s(domain)
        assert joules[-1] == pytest.approx(share * domain.joules, rel=0.2)

    assert series["gpu:0", "memory_used_bytes"][1][0] == 1000 * 2**20
    degrees = series["gpu:0", "temperature_c"][1]
    assert degrees == sorted(degrees) and degrees[0] < degrees[-1]
    assert set(series["gpu:1", "power_limit_w"][1]) == {700, 500}
    assert set(series["gpu:1", "throttle_reasons"][1]) == {0, 4}
    assert told["temperatures_c"]["gpu:0"] >= degrees[-1]
    assert told["temperatures_c"]["gpu:1"] == 40
    assert max(first["samples"][0][2]) < reading.domains[0].window.start_monotonic_ns  # type: ignore[union-attr]


def lem(
    library: Path, gpus: str, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["lem", *arguments],
        env=stand_in.environment(library, gpus),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_reasons_reach_an_experiments_verdict(library: Path, tmp_path: Path) -> None:
    config = {
        "config_name": "shared",
        "model_name": "echo",
        "backend": "echo",
        "echo": {"prefill_s": 0.3, "output_tokens": [5]},
        "num_prompts": 2,
        "warmup": {"enabled": False},
        "baseline": {"enabled": False},
        "energy": {"backend": "nvml"},
    }
    (tmp_path / "experiment.json").write_text(json.dumps(config))
    # The measuring process computes on GPU 0, and so does the first process of this machine.
    gpus = f"own=1,pids=1,throttle={HW_THERMAL};own=1,throttle={SW_POWER_CAP}"
    done = lem(library, gpus, tmp_path, "experiment", "experiment.json")
    assert done.returncode == 0, done.stderr
    (aggregate,) = (tmp_path / "results" / "aggregated").glob("*.json")
    told: dict[str, Any] = json.loads(aggregate.read_text())
    reasons = {r["code"]: r["detail"] for r in told["validity"]["reasons"]}
    assert told["validity"]["status"] == "degraded"
    assert told["metrics"]["energy"]["total_j"] > 0
    assert reasons["throttled"].startswith("gpu:0: ")
    assert reasons["power_capped"].startswith("gpu:1: ")
    if FOREIGN:
        assert "computed on it: 1" in reasons["foreign_process"]
    assert "gpu:1" not in reasons.get("foreign_process", "")


def test_what_a_measured_command_starts_is_ours(library: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.write_text(f"{SOMEBODY}\n")
    # The middle shell ends, so that the sleep has no parent of ours any more.
    script = f"echo $$ > {ours}; sh -c 'sleep 1.4 & echo $! >> {ours}'; sleep 1.4"
    gpus = f"pids_file={ours};pids_file={theirs}"
    file = str(tmp_path / "told.json")
    done = lem(library, gpus, tmp_path, *("measure", "--backend", "nvml", "--output", file),
               *("--", "sh", "-c", script))  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(Path(file).read_text())
    assert told["energy"]["total_j"] > 0
    found = [r["detail"] for r in told["validity"]["reasons"] if r["code"] == "foreign_process"]
    assert len(ours.read_text().split()) == 2
    if FOREIGN:
        (detail,) = found
        assert detail.startswith("gpu:1: ") and str(SOMEBODY) in detail
    else:
        assert found == []


COST = """
import time
from llenergymeasure.config.backend_configs import NvmlConfig
from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend

backend = NvmlBackend(NvmlConfig(interval_ms=100))
backend.prepare()
backend.start()
before_s = time.process_time()
time.sleep(4)
cost_s = time.process_time() - before_s
# By the looks there were: a busy machine may leave some out.
print(cost_s / backend.stop().conditions[0].temperature_c.n)
"""


def test_watching_ten_times_a_second_takes_less_than_half_a_percent_of_a_core(
    library: Path,
) -> None:
    shares = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", COST],
            env=stand_in.environment(library, "high=300,own=1"),
            capture_output=True,
            text=True,
            timeout=180,
            check=True,
        )
        shares.append(10 * float(done.stdout))
        if shares[-1] < 0.005:
            return
    raise AssertionError(shares)
