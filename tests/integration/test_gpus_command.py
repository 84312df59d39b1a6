"""`lem gpus` and the doctor's energy, through the real binding, against GPUs of known sensors."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_path = Path(__file__).parents[1] / "native" / "stand_in.py"
_spec = importlib.util.spec_from_file_location("nvml_stand_in", _path)
assert _spec is not None and _spec.loader is not None
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["nvml_stand_in"] = stand_in
_spec.loader.exec_module(stand_in)

GPUS = ";".join(
    [
        "name=One GPU,uuid=GPU-c0,ripple=3,counter_ms=50,limit=600,limit_default=700,pids=12",
        "name=One GPU,uuid=GPU-c1,ripple=3,no_counter=1,power_ms=25",
        "name=One GPU,uuid=GPU-c2,ripple=3,mig=1,mig_count=2,mig_profile=1g.18gb",
        "name=One GPU,uuid=GPU-c3,no_counter=1,no_power=1,no_instant=1",
        "name=One GPU,uuid=GPU-c4,lost_at=0",
    ]
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = stand_in.build(tmp_path_factory.mktemp("stand-in"))
    return folder


def lem(library: Path, gpus: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llenergymeasure", *arguments],
        env=stand_in.environment(library, gpus, **env),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def told(library: Path, gpus: str, **env: str) -> dict[str, Any]:
    done = lem(library, gpus, "--json", "gpus", **env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_gpu_with_what_can_be_measured(library: Path) -> None:
    # Without the order, indices beside a GPU that does not tell its name are not clear.
    env = {"CUDA_VISIBLE_DEVICES": "1,0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    found = told(library, GPUS, **env)
    counter, power, mig, mute, lost = found["gpus"]
    assert found["driver"] == "0.stand-in"
    assert [gpu["details"]["index"] for gpu in found["gpus"]] == [0, 1, 2, 3, 4]
    assert [gpu["visible"] for gpu in found["gpus"]] == [True, True, False, False, False]

    assert counter["energy"]["method"] == "counter"
    assert counter["resolution"]["aligned"]
    # A busy machine may see a step late, or none sharply at all.
    assert counter["resolution"]["update_ms"] in (None, pytest.approx(50, abs=5))
    assert counter["conditions"]["processes"] == [12]
    assert counter["details"]["power_limit_w"] == 600

    assert power["energy"]["method"] == "integrated"
    assert not power["resolution"]["aligned"]
    update_ms = power["resolution"]["update_ms"]
    assert update_ms in (None, pytest.approx(25, abs=5))
    if update_ms is not None:
        assert power["resolution"]["shortest_window_s"] == pytest.approx(0.2 * update_ms)

    assert [f["code"] for f in mig["energy"]["findings"]] == ["mig_shared"]
    assert len(mig["details"]["mig_instances"]) == 2
    assert mute["energy"]["joules"] is None
    assert mute["resolution"]["shortest_window_s"] is None
    assert lost["energy"]["joules"] is None
    assert {"device_lost"} <= {f["code"] for f in lost["energy"]["findings"]}


def test_the_table_names_everything(library: Path) -> None:
    done = lem(library, GPUS, "gpus")
    assert done.returncode == 0, done.stderr
    for words in (
        "energy counter", "600/700 W", "1g.18gb, 1g.18gb", "does not answer", "shortest window",
        "gpu:3 has no number: the GPU offers neither", "gpu:4 does not answer", "MIG slices",
        "driver 0.stand-in, CUDA up to 13.0",
    ):  # fmt: skip
        assert words in done.stdout


@pytest.mark.parametrize("env", [{}, {"NVML_STAND_IN_NO_DRIVER": "1"}])
def test_no_gpu_is_said_plainly_and_is_no_failure(library: Path, env: dict[str, str]) -> None:
    done = lem(library, "", "gpus", **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no NVIDIA GPU was found here" in done.stdout
    assert told(library, "", **env)["gpus"] == []


def test_a_driver_that_is_broken_is_not_called_absent(tmp_path: Path) -> None:
    source = tmp_path / "broken.c"
    # 18: the driver was updated under a running kernel module.
    source.write_text("int nvmlInitWithFlags(unsigned f) { return 18; }\n")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", str(tmp_path / "libnvidia-ml.so.1"), str(source)],
        check=True,
    )
    found = told(tmp_path, "")
    assert found["gpus"] == []
    assert "does not answer" in found["problem"]
    assert "mismatch" in found["problem"]
    assert found["problem"] in lem(tmp_path, "", "gpus").stdout


def test_the_doctor_names_the_source_of_each_domain(library: Path) -> None:
    done = lem(library, "ripple=3", "--json", "doctor")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["energy source"]["detail"].startswith("auto: nvml")
    facts = checks["energy of gpu:0"]["facts"]
    assert (facts["source"], facts["method"], facts["aligned"]) == ("nvml", "counter", True)
    assert checks["energy of gpu:0"]["state"] == "ok"
    assert "version unknown" not in done.stdout
