from __future__ import annotations

from pathlib import Path

import pytest

from llenergymeasure.core.machine.cpu import cpu_details, cpu_model

CPUS = "sys/devices/system/cpu"
TWO_SOCKETS = {
    **{f"{CPUS}/cpu{i}/topology/physical_package_id": str(i // 2) for i in range(4)},
    **{f"{CPUS}/cpu{i}/cpufreq/scaling_governor": "powersave" for i in range(4)},
    **{f"{CPUS}/cpu{i}/cpufreq/cpuinfo_min_freq": "800000" for i in range(4)},
    **{f"{CPUS}/cpu{i}/cpufreq/cpuinfo_max_freq": "3800000" for i in range(4)},
    f"{CPUS}/cpu3/cpufreq/scaling_governor": "performance",
    f"{CPUS}/cpu3/cpufreq/cpuinfo_max_freq": "4100000",
    f"{CPUS}/cpufreq/boost": "1",
    f"{CPUS}/smt/active": "1",
    "sys/devices/system/node/node0/cpulist": "0-1",
    "sys/devices/system/node/node1/cpulist": "2-3",
    "sys/devices/system/node/possible": "0-1",
    "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme sse\n",
}


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{content}\n")
    return root


def test_two_sockets_whose_cores_differ(tmp_path: Path) -> None:
    found = cpu_details(tree(tmp_path, TWO_SOCKETS))
    assert (found.sockets, found.numa_nodes) == (2, 2)
    assert found.governors == ("performance", "powersave")
    assert (found.min_mhz, found.max_mhz) == (800, 4100)
    assert (found.smt, found.turbo, found.virtual) == (True, True, False)


@pytest.mark.parametrize(("no_turbo", "expected"), [("1", False), ("0", True)])
def test_intels_own_switch_wins(tmp_path: Path, no_turbo: str, expected: bool) -> None:
    intel = {f"{CPUS}/intel_pstate/no_turbo": no_turbo}
    assert cpu_details(tree(tmp_path, TWO_SOCKETS | intel)).turbo is expected


def test_a_virtual_machine_is_told(tmp_path: Path) -> None:
    found = cpu_details(tree(tmp_path, {"proc/cpuinfo": "flags\t\t: fpu hypervisor sse"}))
    assert found.virtual is True


def test_what_cannot_be_had_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda logical: None)
    found = cpu_details(tmp_path)
    assert set(found.model_dump().values()) == {None, ()}


def test_files_that_hold_nonsense_are_left_out(tmp_path: Path) -> None:
    nonsense = {
        f"{CPUS}/cpu0/topology/physical_package_id": "-1",
        f"{CPUS}/cpu0/cpufreq/cpuinfo_max_freq": "fast",
        f"{CPUS}/smt/active": "notimplemented",
    }
    found = cpu_details(tree(tmp_path, nonsense))
    assert (found.sockets, found.max_mhz, found.smt) == (None, None, None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC 9654\nmodel name\t: other\n", "AMD EPYC 9654"),
        ("model\t\t: 1\ncpu model\t: MIPS 74Kc\n", "MIPS 74Kc"),
        ("Hardware\t: BCM2835\n", "BCM2835"),
    ],
)
def test_the_cpu_is_named_as_the_kernel_does(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    assert cpu_model(tmp_path / "cpuinfo") == expected


def test_the_cpu_is_named_by_the_platform_where_the_kernel_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.processor", lambda: "arm")
    assert cpu_model(tmp_path / "absent") == "arm"
    monkeypatch.setattr("platform.processor", lambda: "")
    assert cpu_model(tmp_path / "absent") is None
