"""A file that cannot be written: one line, 2 where another path would do, 1 where none would."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest

from .conftest import call
from .test_every_command import CALLS

pytestmark = pytest.mark.usefixtures("measured_place")

# Calls that end in a file with this name; --yes answers what they would ask.
WRITING: dict[str, list[str]] = {
    "results timeseries": ["latest", "-f", "csv", "-o", "PLACE"],
    "results export": ["-f", "csv", "-o", "PLACE"],
    "config new": ["PLACE"],
    "config schema": ["-o", "PLACE"],
}
# Calls that make files in a folder with this name.
FILLING: dict[str, list[str]] = {
    "config generate-grid": ["tiny.json", "--vary", "seed=1,2", "-o", "PLACE"],
    "experiment": ["tiny.json", "--results-dir", "PLACE"],
}
# Calls that write where nobody said, and one whose exit codes are another program's.
ELSEWHERE = {"aggregate": ["latest"], "init": ["--non-interactive"]}
OWN_CODES = {"measure": ["-o", "PLACE", "--", "true"]}
READING = {"results list", "results show", "explain", "config validate", "config show"}
READING |= {"results prune", "config list", "presets", "datasets", "gpus", "backends", "doctor"}

WRONG = {
    "a name too long": "x" * 300 + ".csv",
    "a path too long": "x/" * 3000 + "y.csv",
    "below a file": "tiny.json/x.csv",
    "a loop of links": "loop/x.csv",
}
FAULTS = [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT]


@pytest.fixture(autouse=True)
def traps(measured: Path) -> None:
    if not (measured / "loop").is_symlink():
        (measured / "loop").symlink_to("loop")
    (measured / "folder").mkdir(exist_ok=True)


def call_at(place: str, name: str, arguments: list[str]) -> tuple[int, str, str]:
    words = [place if word == "PLACE" else word for word in arguments]
    return call("--yes", *name.split(), *words)


def assert_one_line(out: str, err: str) -> None:
    lines = [line for line in err.splitlines() if not line.startswith(("Hint:", "Note:"))]
    assert len(lines) == 1, err
    assert lines[0].startswith("Error:")
    assert len(lines[0]) < 1400
    assert out == ""


def test_every_command_stands_in_one_of_these_lists() -> None:
    assert {*WRITING, *FILLING, *ELSEWHERE, *OWN_CODES, *READING} == set(CALLS)


@pytest.mark.parametrize("place", WRONG)
@pytest.mark.parametrize("name", [*WRITING, *FILLING])
def test_a_path_where_no_file_can_be_is_wrong_input(name: str, place: str) -> None:
    code, out, err = call_at(WRONG[place], name, (WRITING | FILLING)[name])
    assert_one_line(out, err)
    assert code == 2


@pytest.mark.parametrize("name", WRITING)
def test_a_folder_is_no_file(name: str) -> None:
    code, out, err = call_at("folder", name, WRITING[name])
    assert_one_line(out, err)
    assert code == 2
    assert list(Path("folder").iterdir()) == []


@pytest.mark.parametrize("name", FILLING)
def test_a_file_is_no_folder(name: str) -> None:
    code, out, err = call_at("tiny.json", name, FILLING[name])
    assert_one_line(out, err)
    assert code == 2


@pytest.mark.parametrize("name", WRITING)
def test_a_full_device_is_no_wrong_input(name: str) -> None:
    code, out, err = call_at("/dev/full", name, WRITING[name])
    assert_one_line(out, err)
    assert code == 1
    assert "No space left on device" in err


@pytest.mark.parametrize("fault", FAULTS, ids=lambda number: errno.errorcode[number])
@pytest.mark.parametrize("name", [*WRITING, *ELSEWHERE, "config generate-grid"])
def test_a_disk_that_takes_nothing_is_no_wrong_input(
    name: str, fault: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **names: Any) -> NoReturn:
        raise OSError(fault, os.strerror(fault), str(names.get("dir")))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    code, _, err = call_at("refused", name, (WRITING | ELSEWHERE | FILLING)[name])
    lines = [line for line in err.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    assert os.strerror(fault) in lines[0]
    assert code == 1
    assert not Path("refused").is_file()


@pytest.mark.parametrize("name", WRITING)
def test_a_folder_that_is_not_there_is_made(name: str, tmp_path: Path) -> None:
    place = tmp_path / "not" / "yet" / "there.csv"
    code, _, err = call_at(str(place), name, WRITING[name])
    assert (code, err) == (0, "")
    assert place.stat().st_size


@pytest.mark.parametrize("place", [*WRONG.values(), "folder"], ids=[*WRONG, "folder"])
def test_what_was_measured_could_not_be_kept_so_nothing_is_run(place: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code, out, err = call("measure", "-o", place, "--", "touch", str(mark))
    assert (code, out, len(err.splitlines())) == (125, "", 1)
    assert "nothing was run" in err
    assert not mark.exists()


def test_what_was_measured_is_kept_elsewhere_when_the_disk_fills_up() -> None:
    code, _, err = call("measure", "-q", "-o", "/dev/full", "--", "true")
    assert code == 125
    first, second = err.splitlines()
    assert "No space left on device" in first
    kept = Path(second.rsplit(" ", 1)[-1])
    assert json.loads(kept.read_text())["exit_code"] == 0
    kept.unlink()
