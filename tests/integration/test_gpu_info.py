"""What is told of GPUs, through the real binding, against a library of known GPUs."""

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

TELL = """
import sys
from pathlib import Path
from llenergymeasure.core.gpu_info import gpu_inventory
print(gpu_inventory(Path(sys.argv[1])).model_dump_json())
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in.build(tmp_path_factory.mktemp("stand-in"))


def inventory(library: Path, gpus: str, root: Path, **env: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", TELL, str(root)],
        env=stand_in.environment(library, gpus, **env),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_everything_that_a_gpu_tells(library: Path, tmp_path: Path) -> None:
    numa = tmp_path / "sys/bus/pci/devices/0000:3b:00.0/numa_node"
    numa.parent.mkdir(parents=True)
    numa.write_text("1\n")
    settings = (
        "name=NVIDIA H200,pci=00000000:3B:00.0,uuid=GPU-1,limit=600,limit_min=200,limit_max=700,"
        "limit_default=650,persistence=0,ecc=1,pcie_gen=1,pcie_gen_max=5,pcie_width=8,nvlinks=18,"
        "app_clock=1500,app_mem_clock=2600,max_sm_clock=1980,max_mem_clock=3200,mem_total=1024"
    )
    found = inventory(
        library, settings, tmp_path, NVML_STAND_IN_DRIVER="580.65", NVML_STAND_IN_CUDA="12090"
    )
    assert (found["driver"], found["cuda"]) == ("580.65", "12.9")
    assert found["gpus"] == [
        {
            "index": 0,
            "name": "NVIDIA H200",
            "uuid": "GPU-1",
            "pci_bus_id": "00000000:3B:00.0",
            "memory_bytes": 2**30,
            "compute_capability": "9.0",
            "counts_energy": True,
            "power_limit_w": 600.0,
            "power_limit_default_w": 650.0,
            "power_limit_min_w": 200.0,
            "power_limit_max_w": 700.0,
            "persistence_mode": False,
            "ecc": True,
            "sm_clock_max_mhz": 1980,
            "memory_clock_max_mhz": 3200,
            "sm_clock_set_mhz": 1500,
            "memory_clock_set_mhz": 2600,
            "mig_capable": True,
            "mig_enabled": False,
            "mig_instances": [],
            "pcie_generation": 1,
            "pcie_generation_max": 5,
            "pcie_width": 8,
            "pcie_width_max": 16,
            "numa_node": 1,
            "nvlinks": 18,
            "peers": {},
        }
    ]


def test_what_a_gpu_does_not_tell_is_none(library: Path, tmp_path: Path) -> None:
    unsupported = ",".join(
        f"{key}=-1"
        for key in (
            "limit", "limit_min", "limit_default", "persistence", "ecc", "pcie_gen",
            "pcie_gen_max", "pcie_width", "pcie_width_max", "app_clock", "app_mem_clock",
            "max_sm_clock", "max_mem_clock", "mig", "mem_used",
        )
    )  # fmt: skip
    (gpu,) = inventory(library, f"{unsupported},no_counter=1,old=1", tmp_path)["gpus"]
    assert gpu["name"] == "NVIDIA Stand-in"
    assert (gpu["counts_energy"], gpu["mig_capable"]) == (False, False)
    known = {"index", "name", "uuid", "pci_bus_id", "compute_capability", "counts_energy"}
    rest = {key: value for key, value in gpu.items() if key not in known | {"mig_capable"}}
    assert {key for key, value in rest.items() if value not in (None, [], {})} == set()


def test_slices_are_listed_with_their_profiles(library: Path, tmp_path: Path) -> None:
    settings = "mig=1,mig_count=2,mig_max=7,mig_profile=1g.18gb,uuid=GPU-aa"
    (gpu,) = inventory(library, settings, tmp_path)["gpus"]
    assert (gpu["mig_capable"], gpu["mig_enabled"]) == (True, True)
    assert [one["profile"] for one in gpu["mig_instances"]] == ["1g.18gb", "1g.18gb"]
    uuids = {one["uuid"] for one in gpu["mig_instances"]}
    assert len(uuids) == 2
    assert all(uuid.startswith("MIG-") for uuid in uuids)


def test_how_gpus_reach_each_other(library: Path, tmp_path: Path) -> None:
    def reached(settings: str) -> list[dict[str, str]]:
        return [gpu["peers"] for gpu in inventory(library, settings, tmp_path)["gpus"]]

    assert reached("nvlinks=4,nvswitch=0;nvlinks=4,nvswitch=0;numa=1") == [
        {"gpu:1": "nvlink", "gpu:2": "system"},
        {"gpu:0": "nvlink", "gpu:2": "system"},
        {"gpu:0": "system", "gpu:1": "system"},
    ]
    assert reached("nvlinks=18;nvlinks=18") == [{"gpu:1": "nvswitch"}, {"gpu:0": "nvswitch"}]
    assert reached("numa=0;numa=0")[0] == {"gpu:1": "host bridge"}


def test_a_lost_gpu_keeps_its_place(library: Path, tmp_path: Path) -> None:
    found = inventory(library, "name=First;lost_at=0;name=Third", tmp_path)["gpus"]
    assert [(gpu["index"], gpu["name"]) for gpu in found] == [(0, "First"), (1, None), (2, "Third")]
    assert set(found[0]["peers"]) == {"gpu:2"}


@pytest.mark.parametrize("env", [{"NVML_STAND_IN_NO_DRIVER": "1"}, {"NVML_STAND_IN_MISMATCH": "1"}])
def test_no_driver_is_no_gpu(library: Path, tmp_path: Path, env: dict[str, str]) -> None:
    assert inventory(library, "", tmp_path, **env) == {
        "driver": None,
        "cuda": None,
        "gpus": [],
        "problem": None,
    }
