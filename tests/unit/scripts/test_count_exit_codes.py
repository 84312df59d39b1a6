"""The benchmark counts the exit codes of each command that reads results."""

from __future__ import annotations

import runpy
from pathlib import Path

from llenergymeasure.cli.results import COMMANDS

_FILE = Path(__file__).parents[3] / "benchmarks" / "count_exit_codes.py"


def test_each_command_that_reads_results_is_counted() -> None:
    counted = [line.split() for line in runpy.run_path(str(_FILE))["COMMANDS"].values()]
    assert any("aggregate" in words for words in counted)
    for name in COMMANDS:
        assert any(words[i : i + 2] == ["results", name] for words in counted for i in range(4)), (
            f"results {name} is not counted"
        )
