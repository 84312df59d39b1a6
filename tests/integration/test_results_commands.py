from __future__ import annotations

import csv
from pathlib import Path

import pytest

from llenergymeasure import cli

Captured = pytest.CaptureFixture[str]
ONE = "--model scripted --backend echo --num-prompts 2 --set energy.backend=none --quiet"


@pytest.fixture(autouse=True)
def one_result(capsys: Captured) -> None:
    assert cli.main(["experiment", *ONE.split()]) == 0
    capsys.readouterr()


def test_no_experiment_at_all_is_not_the_same_as_none_that_fits(capsys: Captured) -> None:
    assert cli.main(["results", "list", "--model", "nothing-*"]) == 0
    assert capsys.readouterr().out == "no experiment fits (1 without the filters)\n"
    assert cli.main(["results", "list", "--results-dir", "elsewhere"]) == 0
    assert "no results in" in capsys.readouterr().out


def test_an_export_of_nothing_says_so(capsys: Captured) -> None:
    assert cli.main(["results", "export", "--model", "nothing-*"]) == 0
    assert "nothing to export" in capsys.readouterr().err


def test_a_file_of_an_unknown_kind_is_not_written_as_csv(capsys: Captured) -> None:
    assert cli.main(["results", "export", "-o", "out.xlsx"]) == 2
    assert ".csv, .json, .parquet" in capsys.readouterr().err
    assert not Path("out.xlsx").exists()
    assert cli.main(["results", "export", "-o", "out.xlsx", "--format", "csv"]) == 0
    assert len(list(csv.DictReader(Path("out.xlsx").read_text().splitlines()))) == 1
