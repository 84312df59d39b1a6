"""An experiment is meant by its id, the beginning of it, ``latest``, or its config's name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import call

COMMANDS = [
    ("results", "show"),
    ("results", "timeseries"),
    ("results", "export"),
    ("aggregate", "--yes"),
    ("experiment", "--resume"),
]
ALREADY = "is finished, there is nothing to resume"


@pytest.fixture
def copies(measured: Path, tmp_path: Path) -> list[str]:
    """Two aggregates and a state of one name, one of another; the oldest first."""
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    (file,) = (tmp_path / "results" / "aggregated").glob("*.json")
    written = json.loads(file.read_text())
    state = tmp_path / ".state" / file.name
    state.write_text(state.read_text().replace(str(measured), str(tmp_path)))
    name = written["config_name"]
    for other, called in [("20200101-first", name), ("20200102-second", "llama-8b-batch-8")]:
        copy = {**written, "experiment_id": other, "config_name": called}
        (file.parent / f"{other}.json").write_text(json.dumps(copy))
    return ["20200101-first", "20200102-second", file.stem, name]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_name_is_as_good_as_an_id(copies: list[str], command: tuple[str, ...]) -> None:
    first, _, last, name = copies
    code, out, err = call("--json", *command, name)
    assert code == 0 or ALREADY in out, err
    assert last in out or command[-1] == "timeseries"
    assert f"2 experiments are called '{name}'; taken is the latest, {last}" in err
    assert f"the others are: {first}" in err
    assert "Note:" not in call("--json", "--quiet", *command, name)[2]


def test_a_name_that_one_has_needs_no_note(copies: list[str]) -> None:
    code, out, err = call("results", "show", "llama-8b-batch-8")
    assert (code, err) == (0, "")
    assert copies[1] in out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("lama-8b-batch-8", "llama-8b-batch-8"),
        ("20200101-frist", "20200101-first"),
        ("lastest", "latest"),
    ],
)
def test_the_nearest_name_or_id_is_told(
    copies: list[str], command: tuple[str, ...], text: str, nearest: str
) -> None:
    assert copies
    code, _, err = call(*command, text)
    assert code == 2
    assert f"there is no experiment '{text}'; did you mean '{nearest}'?" in err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_ids_that_begin_alike_are_listed(copies: list[str], command: tuple[str, ...]) -> None:
    code, _, err = call(*command, "2020")
    assert code == 2
    assert "2 experiments begin with '2020'" in err
    assert f"{copies[0]}, {copies[1]}" in err
