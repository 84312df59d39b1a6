from __future__ import annotations

from pathlib import Path

import pytest

from llenergymeasure.core.energy_backends.rapl.powercap import find_zones, read_uj


def zone(root: Path, *folders: str, name: str = "package-0") -> Path:
    path = root.joinpath(*folders)
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text("7\n")
    return path


def test_no_tree_is_no_zones(tmp_path: Path) -> None:
    assert find_zones(tmp_path / "absent") == []
    assert find_zones(tmp_path) == []


def test_the_kernels_own_form(tmp_path: Path) -> None:
    """Zones within zones, links to all of them beside each other, and links back to the top."""
    devices, root = tmp_path / "devices", tmp_path / "class"
    root.mkdir()
    package = zone(devices, "intel-rapl", "intel-rapl:0")
    memory = zone(package, "intel-rapl:0:2", name="dram")
    for folder in (devices / "intel-rapl", package, memory):
        (root / folder.name).symlink_to(folder)
        (folder / "subsystem").symlink_to(root)
        (folder / "power").mkdir()
    (package / "device").symlink_to(devices / "intel-rapl")

    zones = find_zones(root)

    assert [(z.control, z.number, z.name) for z in zones] == [
        ("intel-rapl", (0,), "package-0"),
        ("intel-rapl", (0, 2), "dram"),
    ]
    # The short path is the one to show to people.
    assert [z.folder for z in zones] == [root / "intel-rapl:0", root / "intel-rapl:0:2"]


@pytest.mark.parametrize("link", [True, False], ids=["flat", "nested"])
def test_only_flat_and_only_nested_trees(tmp_path: Path, link: bool) -> None:
    package = zone(tmp_path, "intel-rapl:0")
    zone(tmp_path if link else package, "intel-rapl:0:0", name="dram")
    assert [z.name for z in find_zones(tmp_path)] == ["package-0", "dram"]


def test_other_folders_and_zones_without_a_name_are_passed_over(tmp_path: Path) -> None:
    zone(tmp_path, "dtpm", name="dtpm")
    zone(tmp_path, "intel-rapl:x")
    (tmp_path / "intel-rapl:1").mkdir()
    assert find_zones(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "range_uj"),
    [("262143328850\n", 262_143_328_850), ("0", None), ("-1", None), ("", None), ("x", None)],
)
def test_a_range_that_is_none(tmp_path: Path, text: str, range_uj: int | None) -> None:
    (zone(tmp_path, "intel-rapl:0") / "max_energy_range_uj").write_text(text)
    (found,) = find_zones(tmp_path)
    assert found.range_uj() == range_uj


def test_a_range_that_is_not_there(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0")
    assert find_zones(tmp_path)[0].range_uj() is None


def test_a_counter_that_is_being_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "energy_uj"
    file.write_text("")
    assert read_uj(file, pause=lambda _: file.write_text("42\n")) == 42


@pytest.mark.parametrize("text", ["", "garbage", "-5", "1.5"])
def test_what_is_no_energy_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "energy_uj"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"invalid|no energy"):
        read_uj(file)


def test_a_counter_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_uj(tmp_path / "energy_uj")
