"""The AMD SMI source through the real binding, on a replay of AMD's library.

No real AMD GPU has been seen: what the library answers is modelled on its documentation.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.domain.energy import DomainReading, EnergyMethod, total_energy
from llenergymeasure.domain.validity import ReasonCode

NATIVE = Path(__file__).parents[1] / "native"
LIBRARY = "libamd_smi.so"
MI250 = "name=AMD Instinct MI250X"
DARK = f"{MI250},high=0,low=0,base=0"
TWO_DIES = f"{MI250},high=400;{DARK}"


def native(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_of_amd", NATIVE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


amd_stand_in, metering = native("amd_stand_in"), native("metering")
pytestmark = pytest.mark.skipif(
    not amd_stand_in.installed(), reason="amdsmi is not installed: pip install zeus brings it"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = amd_stand_in.build(tmp_path_factory.mktemp("amd"))
    return folder


def read(library: Path, gpus: str, seconds: float = 0.6, **env: str) -> Any:
    return metering.one_window(
        amd_stand_in.environment(library, gpus, **env), "amdsmi", seconds, library=LIBRARY
    )


def codes(domain: DomainReading) -> list[ReasonCode]:
    return [finding.code for finding in domain.findings]


def test_the_counter_is_the_value_and_power_its_witness(library: Path) -> None:
    name = "name=AMD Instinct MI300X,counter_ms=1,ripple=2"
    gpus = f"high=300,{name},temp=61;curve=ramp,low=90,high=600,period=2,{name},no_instant=1"
    found = read(library, gpus, 1.5)
    for domain in found.reading.domains:
        assert domain.method is EnergyMethod.COUNTER, domain.reason
        assert metering.off_j(domain, found.truths_j[domain.name]) <= 0
        assert domain.origin == "AMD SMI energy counter"
        assert domain.evidence is not None
        open_j = domain.evidence.witness_uncertainty_j + domain.uncertainty.edge_j
        assert abs(domain.evidence.witness_j - domain.joules) <= open_j
        assert domain.source == "amdsmi"
    first, second = found.reading.domains
    assert first.device_id == "000000a0-0000-4000-8000-000000000000"
    assert first.evidence.power_source == "amdsmi_get_power_info: current_socket_power"
    assert second.evidence.power_source == "amdsmi_get_power_info: average_socket_power"
    series = {(one.device, one.quantity): one for one in found.samples}
    assert set(series[("gpu:0", "temperature_c")].values) == {61.0}
    assert ("gpu:1", "power_w") in series
    assert [one.temperature_c.max for one in found.reading.conditions if one.temperature_c] == [
        61.0,
        40.0,
    ]


def test_power_is_the_value_without_a_counter(library: Path) -> None:
    found = read(library, "high=300,no_counter=1,ripple=2", 1.0)
    (domain,) = found.reading.domains
    assert domain.method is EnergyMethod.INTEGRATED
    assert metering.off_j(domain, found.truths_j["gpu:0"]) <= 0
    assert domain.origin == "AMD SMI power (amdsmi_get_power_info: current_socket_power)"


# What happens to a GPU within the window.
FAULTS = {
    ReasonCode.COUNTER_FROZEN: "freeze_at",
    ReasonCode.COUNTER_RESET: "reset_at",
    ReasonCode.DEVICE_LOST: "lost_at",
}


def test_a_fault_is_null_with_its_reason_and_the_rest_stands(library: Path) -> None:
    gpus = ["high=300,name=AMD Instinct MI100"] * len(FAULTS)
    gpus += ["high=0,low=0,base=0", "no_counter=1,no_power=1", "high=200"]
    happens = "; ".join(f"change({gpu}, {key!r}, '+0')" for gpu, key in enumerate(FAULTS.values()))
    found = metering.metered(
        amd_stand_in.environment(library, ";".join(gpus)),
        {"m": {"backend": "amdsmi"}},
        f"m.start(); time.sleep(0.6); {happens}; time.sleep(1.0); m.stop()",
        library=LIBRARY,
    )["m"]
    *lost, dark, silent, sound = found.reading.domains
    assert [(d.joules, d.method, codes(d)) for d in lost] == [(None, None, [c]) for c in FAULTS]
    assert codes(dark) == codes(silent) == [ReasonCode.SENSOR_UNSUPPORTED]
    assert metering.off_j(sound, found.truths_j["gpu:5"]) <= 0
    totals = total_energy(found.reading.domains)
    assert (totals.total_j, totals.partial_j) == (None, sound.joules)
    assert totals.missing == tuple(f"gpu:{index}" for index in range(5))


def test_the_second_die_of_a_card_is_null_and_no_loss_beside_the_first(library: Path) -> None:
    found = read(library, TWO_DIES, 0.8)
    first, second = found.reading.domains
    assert metering.off_j(first, found.truths_j["gpu:0"]) <= 0
    assert first.origin == "AMD SMI energy counter, of both dies of the card"
    assert first.findings == ()
    assert (second.joules, second.expected, second.findings) == (None, False, ())
    assert "gpu:0 on the same card reads both" in (second.reason or "")
    assert total_energy(found.reading.domains).total_j == first.joules


@pytest.mark.parametrize(
    ("visible", "code"), [("0", ReasonCode.MIG_SHARED), ("1", ReasonCode.SENSOR_UNSUPPORTED)]
)
def test_one_die_alone_is_flagged_or_missing(library: Path, visible: str, code: ReasonCode) -> None:
    found = read(library, TWO_DIES, HIP_VISIBLE_DEVICES=visible)
    (domain,) = found.reading.domains
    assert domain.name == f"gpu:{visible}"
    assert codes(domain) == [code]
    assert (domain.joules is None) == (visible == "1")


def test_devices_are_those_that_hip_shows(library: Path) -> None:
    env = {"AMDSMI_STAND_IN_HIP": "1,0", "HIP_VISIBLE_DEVICES": "0"}
    found = read(library, "high=100;high=300", 0.1, **env)
    assert [domain.name for domain in found.reading.domains] == ["gpu:1"]


@pytest.mark.parametrize(
    ("gpus", "env", "code", "expected"),
    [
        ("high=1", {"HIP_VISIBLE_DEVICES": ""}, ReasonCode.NO_GPU, False),
        ("high=1", {"AMDSMI_STAND_IN_INIT": "34"}, ReasonCode.AMDSMI_UNAVAILABLE, False),
        ("high=1", {"AMDSMI_STAND_IN_INIT": "18"}, ReasonCode.AMDSMI_UNAVAILABLE, True),
    ],
)
def test_nothing_to_measure_is_said(
    library: Path, gpus: str, env: dict[str, str], code: ReasonCode, expected: bool
) -> None:
    (domain,) = read(library, gpus, 0.05, **env).reading.domains
    assert (domain.name, domain.joules, domain.expected) == ("gpu", None, expected)
    assert codes(domain) == [code]


WITHOUT_LIBRARY = """
import json, sys
from llenergymeasure.config.backend_configs import AmdSmiConfig
from llenergymeasure.core.energy_backends.amdsmi.backend import AmdSmiBackend
told = []
for devices in (None, ["0"]):
    source = AmdSmiBackend(AmdSmiConfig(devices=devices))
    source.prepare(); source.start(); (domain,) = source.stop().domains; source.close()
    told.append([domain.reason, domain.expected])
print(json.dumps(told))
"""


def test_without_rocm_there_is_no_gpu_unless_one_is_named(tmp_path: Path) -> None:
    # A file that is no library hides one that the system may have.
    (tmp_path / LIBRARY).write_bytes(b"")
    env = amd_stand_in.environment(tmp_path, "", ROCM_PATH=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY],
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    reason = "ROCm's library libamd_smi.so is not here"
    # The binding's own words on stdout are kept off it.
    assert json.loads(done.stdout) == [[reason, False], [reason, True]]


CONFORMANCE = """
from llenergymeasure.config.backend_configs import AmdSmiConfig
from llenergymeasure.core.energy_backends.amdsmi.backend import AmdSmiBackend
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
results = run_energy_conformance(lambda: AmdSmiBackend(AmdSmiConfig()), steady_power=True)
print([result for result in results if not result.passed], len(results) > 10)
"""


def test_it_keeps_the_contract(library: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CONFORMANCE],
        env=amd_stand_in.environment(library, TWO_DIES),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "[] True", done.stdout + done.stderr
