from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from llenergymeasure import cli

TEXT = """\
config_name: shown
model_name: scripted
backend: echo
decoder:
  preset: creative
  top_k: 7
energy:
  backend: none
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "shown.yaml").write_text(TEXT)
    return "shown.yaml"


def test_show_is_yaml_that_means_the_same(config: str, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["config", "show", config]) == 0
    shown = capsys.readouterr().out
    (tmp_path / "again.yaml").write_text(shown)
    assert cli.main(["--json", "config", "show", config]) == 0
    first = json.loads(capsys.readouterr().out)["config"]
    assert YAML(typ="safe").load(shown) == first
    assert cli.main(["--json", "config", "show", "again.yaml"]) == 0
    assert json.loads(capsys.readouterr().out)["config"] == first


def test_show_names_the_origin_of_what_is_no_default(config: str, capsys: Captured) -> None:
    cli.main(["config", "show", config])
    lines = {line.split(":")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert lines["model_name"].endswith("# shown.yaml:2")
    assert lines["top_k"].endswith("# shown.yaml:6")
    assert lines["temperature"].endswith("# decoder.preset: creative")
    assert lines["repetition_penalty"].endswith("# decoder.preset: creative")
    assert "#" not in lines["seed"]
    assert "#" not in lines["do_sample"]


def test_validate_says_what_it_read(config: str, capsys: Captured) -> None:
    assert cli.main(["config", "validate", config]) == 0
    assert capsys.readouterr().out == "shown.yaml: valid (shown: scripted, echo)\n"


def test_validate_tells_every_problem_with_its_line(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "bad.yaml").write_text("config_name: x\nmodel_nam: y\nseed: no\n")
    assert cli.main(["config", "validate", "bad.yaml", "--json"]) == 2
    captured = capsys.readouterr()
    problems = json.loads(captured.out)["error"]["problems"]
    assert [p["place"]["line"] for p in problems] == [None, 2, 3]
    assert "bad.yaml:2: model_nam" in captured.err
    assert "'model_name'" in captured.err


@pytest.mark.parametrize("command", ["validate", "show"])
def test_a_file_that_is_not_there(command: str, capsys: Captured) -> None:
    assert cli.main(["config", command, "nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_a_file_that_is_almost_there_is_named(config: str, capsys: Captured) -> None:
    assert cli.main(["config", "validate", "show.yaml"]) == 2
    assert f"show.yaml: there is no such file; did you mean '{config}'?" in capsys.readouterr().err
