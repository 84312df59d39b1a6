"""A grid's files are called after the base's config_name, and no two share a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llenergymeasure.config.files.grid import expand, write_points
from llenergymeasure.config.loader import load


def base(folder: Path, name: str, file: str = "base.yaml") -> Path:
    path = folder / file
    path.write_text(f'config_name: "{name}"\nmodel_name: m\n')
    return path


def stems(path: Path, vary: list[str], folder: Path) -> list[str]:
    written = write_points(path, expand(path, vary), folder)
    for file in written:
        assert load(file, env={}).config.config_name == file.stem
    return [file.stem for file in written]


def test_files_are_called_after_the_config_name(tmp_path: Path) -> None:
    path = base(tmp_path, "llama-8b")
    found = stems(path, ["seed=1,2", "batch_size=4"], tmp_path / "grid")
    assert found == ["llama-8b_seed-1_batch_size-4", "llama-8b_seed-2_batch_size-4"]


@pytest.mark.parametrize(
    "name", ["a/b: c", "../up", "-rf", ".hidden", "模型", "x" * 200, "é" * 200, "  ", "con\\u0000x"]
)
def test_any_config_name_makes_a_name_for_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    found = stems(base(tmp_path / "in", name), ["seed=1,2"], tmp_path / "grid")
    assert len(set(found)) == 2
    for stem in found:
        assert re.fullmatch(r"\w[\w.-]*", stem)
        assert len(f"{stem}.yaml".encode()) <= 255
    assert len(list((tmp_path / "grid").iterdir())) == 2


def test_values_that_make_the_same_name_get_a_number(tmp_path: Path) -> None:
    path = base(tmp_path, "a")
    found = stems(path, ["revision=x/y,x:y,X_Y,x_y"], tmp_path / "grid")
    assert found == [f"a_revision-{end}" for end in ("x_y", "x_y_2", "X_Y_3", "x_y_4")]
    revisions = [load(tmp_path / "grid" / f"{stem}.yaml", env={}).config.revision for stem in found]
    assert revisions == ["x/y", "x:y", "X_Y", "x_y"]


def test_a_grid_again_is_the_same_files_and_another_base_replaces_none(tmp_path: Path) -> None:
    grid = tmp_path / "grid"
    first, second = base(tmp_path, "a"), base(tmp_path, "a", "other.yaml")
    assert stems(first, ["seed=1"], grid) == stems(first, ["seed=1"], grid) == ["a_seed-1"]
    assert stems(second, ["seed=1"], grid) == ["a_seed-1_2"]
    assert stems(second, ["seed=1"], grid) == ["a_seed-1_2"]
    (grid / "a_seed-7.yaml").write_text("mine: true\n")
    assert stems(first, ["seed=7"], grid) == ["a_seed-7_2"]
    assert (grid / "a_seed-7.yaml").read_text() == "mine: true\n"
