from __future__ import annotations

from pathlib import Path

import pytest

from llenergymeasure.core.energy_backends.rapl.zones import RaplDomain, rapl_domains


def tree(root: Path, **zones: str) -> dict[str, RaplDomain]:
    """A tree of these zones; ``rapl_0_1`` stands for ``intel-rapl:0:1``, ``mmio`` for its twin."""
    for short, name in zones.items():
        control, *numbers = short.split("_")
        controls = {"rapl": "intel-rapl", "mmio": "intel-rapl-mmio"}
        folder = root / ":".join([controls[control], *numbers])
        folder.mkdir(parents=True)
        (folder / "name").write_text(name)
        (folder / "energy_uj").write_text("1")
        (folder / "max_energy_range_uj").write_text("262143328850")
    return {domain.name: domain for domain in rapl_domains(root)}


def zone_of(domain: RaplDomain) -> str:
    return domain.zone.folder.name


def test_packages_memory_and_psys(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        rapl_0="package-0",
        rapl_0_0="core",
        rapl_0_1="uncore",
        rapl_0_2="dram",
        rapl_1="package-1",
        rapl_1_0="dram",
        rapl_2="psys",
    )
    assert {name: zone_of(domain) for name, domain in found.items()} == {
        "cpu:0": "intel-rapl:0",
        "cpu:1": "intel-rapl:1",
        "ram:0": "intel-rapl:0:2",
        "ram:1": "intel-rapl:1:0",
        "psys": "intel-rapl:2",
    }
    assert [name for name, domain in found.items() if not domain.counted] == ["psys"]
    assert [found[name].socket for name in ("cpu:0", "ram:1", "psys")] == [0, 1, None]


def test_packages_are_called_by_their_own_number(tmp_path: Path) -> None:
    found = tree(tmp_path, rapl_0="package-1", rapl_1="package-0", rapl_0_0="dram")
    assert {name: zone_of(domain) for name, domain in found.items()} == {
        "cpu:0": "intel-rapl:1",
        "cpu:1": "intel-rapl:0",
        "ram:1": "intel-rapl:0:0",
    }


def test_a_platform_without_packages_is_counted(tmp_path: Path) -> None:
    assert tree(tmp_path, rapl_0="psys")["psys"].counted


def test_two_drivers_show_one_counter(tmp_path: Path) -> None:
    found = tree(tmp_path, rapl_0="package-0", rapl_0_0="dram", mmio_0="package-0", mmio_0_0="dram")
    assert {name: zone_of(domain) for name, domain in found.items()} == {
        "cpu:0": "intel-rapl:0",
        "ram:0": "intel-rapl:0:0",
    }


@pytest.mark.parametrize("lacking", ["energy_uj", "max_energy_range_uj"])
def test_the_twin_that_can_be_read_is_taken(tmp_path: Path, lacking: str) -> None:
    tree(tmp_path, rapl_0="package-0", mmio_0="package-0")
    (tmp_path / "intel-rapl:0" / lacking).unlink()
    (domain,) = rapl_domains(tmp_path)
    assert zone_of(domain) == "intel-rapl-mmio:0"
    assert domain.range_uj == 262_143_328_850


def test_memory_of_a_package_that_only_the_other_driver_shows(tmp_path: Path) -> None:
    found = tree(tmp_path, rapl_0="package-0", mmio_0="package-0", mmio_0_0="dram")
    assert zone_of(found["ram:0"]) == "intel-rapl-mmio:0:0"


def test_dies_are_numbered_on(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        rapl_0="package-0-die-0",
        rapl_1="package-0-die-1",
        rapl_2="package-1-die-0",
        rapl_2_0="dram",
    )
    assert [(name, domain.socket) for name, domain in found.items()] == [
        ("cpu:0", 0),
        ("cpu:1", 0),
        ("cpu:2", 1),
        ("ram:2", 1),
    ]


def test_nothing_but_parts_of_packages_is_nothing(tmp_path: Path) -> None:
    assert tree(tmp_path, rapl_0="core", rapl_1="something-else") == {}
