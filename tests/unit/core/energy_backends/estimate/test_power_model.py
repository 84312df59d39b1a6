from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.config.backend_configs import EstimateConfig
from llenergymeasure.core.energy_backends.estimate.power_model import (
    Machine,
    cpu_power,
    memory_power,
    thermal_design_power_w,
    this_machine,
)

GIB = 2**30


def machine(**more: Any) -> Machine:
    known = {"cpu": None, "virtual": False, "cores": 8, "sockets": 1, "memory_bytes": 16 * GIB}
    return Machine(**{**known, **more})


@pytest.mark.parametrize(
    ("kernel_s_name", "tdp_w"),
    [
        ("AMD EPYC 7742 64-Core Processor", 225.0),
        ("AMD Ryzen 9 5950X 16-Core Processor", 105.0),
        ("AMD Ryzen 7 5800H with Radeon Graphics", 45.0),
        ("Intel(R) Xeon(R) Platinum 8480+", 350.0),
        ("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", 135.0),
        ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", 150.0),
        ("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", 95.0),
        ("13th Gen Intel(R) Core(TM) i9-13900K", 125.0),
        ("Intel(R) Core(TM) Ultra 7 155H", 28.0),
        ("Intel(R) N100", 6.0),
        ("AMD EPYC", None),
        ("Some CPU 1000", None),
        ("", None),
        (None, None),
    ],
)
def test_the_table_knows_processors_by_the_kernels_names(
    kernel_s_name: str | None, tdp_w: float | None
) -> None:
    assert thermal_design_power_w(kernel_s_name) == tdp_w


def test_the_option_comes_first() -> None:
    known = machine(cpu="AMD EPYC 7742 64-Core Processor", cores=4)
    cpu = cpu_power(EstimateConfig(cpu_tdp_w=60.0), known)
    assert (cpu.w_per_core, cpu.cores) == (15.0, 4)
    assert cpu.origin == "TDP 60 W (energy.estimate.cpu_tdp_w) / 4 cores"


def test_a_tdp_is_divided_by_the_cores_of_the_processor() -> None:
    xeon = machine(cpu="Intel(R) Xeon(R) Platinum 8480+", cores=112, sockets=2)
    cpu = cpu_power(EstimateConfig(), xeon)
    assert (cpu.w_per_core, cpu.cores) == (350 / 56, 112)
    assert "TDP 350 W / 56 cores (Intel(R) Xeon(R) Platinum 8480+" in cpu.origin


def test_a_virtual_machine_has_part_of_the_cores() -> None:
    epyc = machine(cpu="AMD EPYC 7742 64-Core Processor", cores=2, virtual=True)
    assert cpu_power(EstimateConfig(), epyc).w_per_core == 225 / 64
    xeon = machine(cpu="Intel(R) Xeon(R) Platinum 8480+", cores=2, virtual=True)
    cpu = cpu_power(EstimateConfig(), xeon)
    assert cpu.w_per_core == 5.0
    assert "assumed" in cpu.origin
    assert "virtual machine" in cpu.origin


@pytest.mark.parametrize("name", [None, "Some CPU 1000"])
def test_an_unknown_processor(name: str | None) -> None:
    cpu = cpu_power(EstimateConfig(), machine(cpu=name))
    assert cpu.w_per_core == 5.0
    assert f"the TDP of {name or 'this processor'} is not known" in cpu.origin


@pytest.mark.parametrize("table", ["absent", "no columns", "no numbers"])
def test_a_table_in_another_form_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    data = tmp_path / "codecarbon/data/hardware/cpu_power.csv"
    (tmp_path / "codecarbon").mkdir()
    (tmp_path / "codecarbon/__init__.py").write_text("raise ImportError('it is not imported')")
    if table != "absent":
        data.parent.mkdir(parents=True)
        data.write_text("a,b\n1,2\n" if table == "no columns" else "Name,TDP\nIntel N100,many\n")
    monkeypatch.syspath_prepend(tmp_path)
    # Another test of this process may have imported the real one.
    monkeypatch.delitem(sys.modules, "codecarbon", raising=False)
    assert thermal_design_power_w("Intel(R) N100") is None


def test_memory_by_its_size() -> None:
    watts = {
        gib: memory_power(EstimateConfig(), machine(memory_bytes=gib * GIB))[0]
        for gib in (8, 64, 128, 2048)
    }
    assert watts == {8: 3.0, 64: 24.0, 128: 29.0, 2048: 179.0}
    power_w, origin = memory_power(EstimateConfig(ram_w_per_gib=0.5), machine())
    assert power_w == 8.0
    assert origin == "16.0 GiB x 0.5 W (energy.estimate.ram_w_per_gib)"


@given(st.integers(1, 2**44), st.integers(1, 2**44))
def test_more_memory_never_draws_less(one: int, other: int) -> None:
    less, more = sorted((one, other))
    powers = [memory_power(EstimateConfig(), machine(memory_bytes=b))[0] for b in (less, more)]
    assert powers[0] <= powers[1]


def test_this_machine(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: First CPU\nflags\t: sse hypervisor\n\nmodel name\t: Second\n")
    found = this_machine(cpuinfo)
    assert (found.cpu, found.virtual) == ("First CPU", True)
    assert found.cores >= 1
    assert found.memory_bytes > 0
    unknown = this_machine(tmp_path / "absent")
    assert (unknown.cpu, unknown.virtual) == (None, False)
