"""Every way to fail has its words, its code, and at most one JSON document."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import pytest

from llenergymeasure import cli
from llenergymeasure.cli.errors import exit_code_of
from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.exceptions import ConfigurationError, ExperimentInterruptedError, RunError

CASES: list[tuple[BaseException, int, str]] = [
    (ConfigurationError("the path is wrong", hint="look again"), 2, "ConfigurationError"),
    (RunError("it broke"), 1, "RunError"),
    (ExperimentInterruptedError("stopped"), 130, "ExperimentInterruptedError"),
    (click.UsageError("no such thing"), 2, "UsageError"),
    (click.Abort(), 130, "Interrupted"),
    (KeyboardInterrupt(), 130, "Interrupted"),
    (ZeroDivisionError("oh"), 1, "ZeroDivisionError"),
]


@pytest.fixture(autouse=True)
def log_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "logs"))
    return tmp_path / "logs"


@pytest.mark.parametrize(("error", "code", "kind"), CASES)
def test_words_and_code(
    error: BaseException, code: int, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(error, []) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(("error", "code", "kind"), CASES)
def test_one_json_document(
    error: BaseException, code: int, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(error, ["results", "--json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    assert document["error"]["type"] == kind
    assert document["error"]["message"]


def test_json_after_two_dashes_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code_of(RunError("it broke"), ["experiment", "--", "--json"])
    assert capsys.readouterr().out == ""


def test_the_hint_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code_of(ConfigurationError("wrong", hint="do this"), [])
    assert capsys.readouterr().err.splitlines() == ["Error: wrong", "Hint: do this"]


def test_the_problems_of_a_config_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem(Place("a.yaml", 3), "seed", "found 'x'", "invalid_value")
    exit_code_of(InvalidConfigError([problem]), ["--json"])
    (told,) = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert told["place"] == {"source": "a.yaml", "line": 3}
    assert told["key"] == "seed"


def test_a_bug_is_called_one_and_its_story_is_saved(
    log_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code_of(ZeroDivisionError("oh"), [])
    (file,) = log_folder.rglob("bug-*.log")
    assert "ZeroDivisionError: oh" in file.read_text()
    told = capsys.readouterr().err
    assert "bug in lem" in told
    assert str(file) in told


@pytest.mark.parametrize("flag", ["-v", "-vv", "--verbose"])
def test_a_bug_shows_its_traceback_only_when_asked(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise ZeroDivisionError("oh")
    except ZeroDivisionError as error:
        exit_code_of(error, [flag])
    assert "Traceback" in capsys.readouterr().err


def test_a_story_that_cannot_be_saved_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert exit_code_of(ZeroDivisionError("oh"), []) == 1
    assert "the lines above" in capsys.readouterr().err


def test_colour_only_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    exit_code_of(RunError("it broke"), [])
    assert "\x1b[" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    exit_code_of(RunError("it broke"), [])
    assert "\x1b[" not in capsys.readouterr().err


def test_an_exception_in_a_command_reaches_the_handler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise OSError(5, "the disk is on fire")

    monkeypatch.setattr("llenergymeasure.orchestration.stored.inventory.list_experiments", broken)
    assert cli.main(["results", "list"]) == 1
    assert "the disk is on fire" in capsys.readouterr().err
    assert os.environ["XDG_STATE_HOME"]


def test_a_bug_of_lem_measure_is_not_taken_for_the_commands_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from llenergymeasure.orchestration.metering import command as measured_command

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(measured_command, "measure_command", broken)
    assert cli.main(["measure", "--", "true"]) == 125
    assert "this is a bug in lem: ZeroDivisionError: oh" in capsys.readouterr().err
