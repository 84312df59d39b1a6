"""The real Zeus against GPUs whose power is known exactly."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.domain.energy import EnergyMethod, EnergyScope, total_energy
from llenergymeasure.domain.validity import ReasonCode

pytest.importorskip("zeus", reason="zeus is not installed: pip install zeus")

NATIVE = Path(__file__).parents[1] / "native"


def native(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_of_zeus", NATIVE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


stand_in, metering = native("stand_in"), native("metering")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = stand_in.build(tmp_path_factory.mktemp("nvml"))
    return folder


# The windows lie one in another, so that the joules of one bound those of the other.
SECONDS = 2.0
BODY = f"both.start(); own.start(); time.sleep({SECONDS}); own.stop(); both.stop()"
WATTS = {"gpu:0": 300.0, "gpu:1": 200.0}
# How far a counter's value can lie back.
STEP_S = {"gpu:0": 0.1, "gpu:1": 0.02}


def assert_within(name: str, joules: float | None, outer_j: float | None) -> None:
    """At least what was drawn during the sleep, at most what the window around it holds."""
    step_j = WATTS[name] * STEP_S[name]
    assert joules is not None and outer_j is not None
    assert WATTS[name] * SECONDS - step_j <= joules <= outer_j + step_j


def test_zeus_measures_and_checks(library: Path) -> None:
    meters = {
        "both": {"backend": "nvml,zeus"},
        "own": {"backend": "zeus", "options": {"devices": [1]}},
    }
    env = stand_in.environment(library, "high=300;high=200,counter_ms=20")
    found = metering.metered(env, meters, BODY)

    both = found["both"]
    assert {name: domain.source for name, domain in both.domains.items()} == {
        "gpu:0": "nvml",
        "gpu:1": "nvml",
    }
    total_j = total_energy(both.reading.domains).total_j
    assert total_j == sum(domain.joules or 0 for domain in both.domains.values())
    for name, domain in both.domains.items():
        assert metering.off_j(domain, both.truths_j[name]) <= 0
        assert domain.evidence is not None
        (check,) = domain.evidence.cross_checks
        assert (check.source, check.covers) == ("zeus", ())
        assert_within(name, check.joules, both.truths_j[name])
    assert both.reading.backend == "nvml"

    (domain,) = found["own"].reading.domains
    assert (domain.name, domain.scope, domain.source) == ("gpu:1", EnergyScope.DEVICE, "zeus")
    assert domain.device_id == "GPU-000000a1-0000-4000-8000-000000000001"
    assert domain.method is EnergyMethod.COUNTER
    assert_within("gpu:1", domain.joules, both.truths_j["gpu:1"])
    assert domain.uncertainty_j is None
    assert domain.origin is not None
    assert domain.origin.startswith("Zeus 0.")


def test_why_zeus_finds_nothing_is_asked_of_nvml(library: Path) -> None:
    env = stand_in.environment(library, "high=1", NVML_STAND_IN_MISMATCH="1")
    (domain,) = metering.one_window(env, "zeus", 0.05).reading.domains
    assert (domain.joules, domain.expected) == (None, True)
    assert [finding.code for finding in domain.findings] == [ReasonCode.NVML_UNAVAILABLE]
