"""Options before and after commands, usage errors, help."""

from __future__ import annotations

import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure import cli
from llenergymeasure.cli.root import COMMANDS

CONFIG = {"config_name": "tiny", "model_name": "scripted", "backend": "echo", "num_prompts": 2}
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "tiny.json"
    file.write_text(json.dumps(CONFIG))
    return str(file)


def document(capsys: Captured) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_json_anywhere_on_the_line(position: int, config: str, capsys: Captured) -> None:
    args = ["config", "validate", config]
    args.insert(position, "--json")
    assert cli.main(args) == 0
    assert document(capsys)["valid"] is True


@pytest.mark.parametrize("position", [0, 1, 2])
def test_results_dir_anywhere_on_the_line(position: int, tmp_path: Path, capsys: Captured) -> None:
    args = ["results", "list"]
    args[position:position] = ["--results-dir", str(tmp_path / "elsewhere")]
    assert cli.main(args) == 0
    assert str(tmp_path / "elsewhere") in capsys.readouterr().out


@pytest.mark.parametrize("position", [0, 3])
def test_quiet_anywhere_on_the_line(position: int, config: str, capsys: Captured) -> None:
    args = ["config", "validate", config]
    args.insert(position, "-q")
    assert cli.main(args) == 0
    assert capsys.readouterr() == ("", "")


def test_quiet_and_verbose_contradict_each_other(config: str, capsys: Captured) -> None:
    for before, after in (("-q", "-v"), ("-v", "-q")):
        assert cli.main([before, "config", "validate", config, after]) == 2
        assert "contradict" in capsys.readouterr().err


def test_verbose_adds_up(config: str) -> None:
    import logging

    logger = logging.getLogger("llenergymeasure")
    before = list(logger.handlers), logger.level
    try:
        assert cli.main(["-v", "config", "validate", config, "-v"]) == 0
        added = [h for h in logger.handlers if h not in before[0]]
        assert logging.DEBUG in [handler.level for handler in added]
        assert len(added) == 1
    finally:
        logger.handlers[:] = before[0]
        logger.setLevel(before[1])


def test_the_version_names_the_result_schema(capsys: Captured) -> None:
    from llenergymeasure import __version__
    from llenergymeasure.constants import RESULT_SCHEMA_VERSION

    assert cli.main(["--version"]) == 0
    expected = f"lem {__version__} (result schema {RESULT_SCHEMA_VERSION})\n"
    assert capsys.readouterr().out == expected


def test_help_lists_every_command(capsys: Captured) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)


LEAVES = [
    ["experiment"],
    ["aggregate"],
    ["results", "list"],
    ["results", "show"],
    ["config", "validate"],
    ["config", "show"],
    ["backends"],
    ["doctor"],
]


@pytest.mark.parametrize("command", LEAVES)
def test_every_command_has_help_and_the_global_options(
    command: list[str], capsys: Captured
) -> None:
    assert cli.main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    for option in ("--verbose", "--quiet", "--json", "--yes", "--results-dir"):
        assert option in text


def test_the_table_s_help_is_the_command_s_own_subject() -> None:
    for module_and_name, text in COMMANDS.values():
        assert module_and_name.count(":") == 1
        assert text.endswith(".")


USAGE = [
    (["experimnt"], "experiment"),
    (["results", "lst"], "list"),
    (["config", "validte", "x"], "validate"),
    (["experiment", "--cycels", "3"], "--cycles"),
    (["experiment", "--resum", "x"], "--resume"),
    (["results", "list", "--al"], "--all"),
]


@pytest.mark.parametrize(("args", "suggested"), USAGE)
def test_a_typo_is_answered_with_the_nearest_name(
    args: list[str], suggested: str, capsys: Captured
) -> None:
    assert cli.main(args) == 2
    captured = capsys.readouterr()
    first, *rest = captured.err.splitlines()
    assert first.startswith("Error: ")
    assert suggested in first
    assert all(line.startswith("Hint: ") for line in rest)
    assert captured.out == ""


@pytest.mark.parametrize(("args", "suggested"), USAGE)
def test_a_typo_with_json_is_one_document(
    args: list[str], suggested: str, capsys: Captured
) -> None:
    assert cli.main(["--json", *args]) == 2
    told = document(capsys)
    assert told["exit_code"] == 2
    assert suggested in told["error"]["message"]


@pytest.mark.parametrize(
    "args",
    [
        ["experiment"],
        ["experiment", "--resume", "x", "some.yaml"],
        ["experiment", "--resume", "x", "--cycles", "2"],
        ["experiment", "--resume", "x", "--dry-run"],
        ["experiment", "some.yaml", "--dry-run", "--no-aggregate"],
        ["experiment", "some.yaml", "--cycles", "0"],
        ["experiment", "a.yaml", "b.yaml"],
        ["results", "show"],
        ["backends", "--config", "some.yaml"],
    ],
)
def test_options_that_make_no_sense_together_are_refused(args: list[str], capsys: Captured) -> None:
    assert cli.main(args) == 2
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.parametrize("group", [[], ["results"], ["config"]])
def test_a_missing_command_shows_help_and_is_an_error(group: list[str], capsys: Captured) -> None:
    assert cli.main(group) == 2
    captured = capsys.readouterr()
    assert "Commands:" in captured.err
    assert captured.out == ""


def test_every_error_document_is_the_only_thing_on_stdout(capsys: Captured) -> None:
    for args in product(["--json"], ["results", "aggregate", "doctor"], ["--nonsense"]):
        assert cli.main(list(args)) == 2
        assert document(capsys)["error"]["type"] == "NoSuchOption"


def test_a_dotenv_file_sets_variables_but_not_which_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LEM_MARK=1\nLD_PRELOAD=x.so\nPYTHONSTARTUP=x.py\nPATH=x\n")
    before = os.environ["PATH"]
    # setenv first, so that monkeypatch takes back whatever main() sets.
    for name in ("LEM_MARK", "LD_PRELOAD", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert cli.main(["--version"]) == 0
    assert os.environ["LEM_MARK"] == "1"
    assert os.environ["PATH"] == before
    assert not {"LD_PRELOAD", "PYTHONSTARTUP"} & set(os.environ)
