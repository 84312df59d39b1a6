"""The folder that `lem` was started in can be removed, before it starts and while it runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import TIMEOUT_S, Lem

GONE = "the folder that lem was started in has been removed"


def run_in_removed_folder(lem: Lem, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Results and state lie in the current folder, as they do for most users.
    script = (
        "unset LLM_ENERGY_RESULTS_DIR LLM_ENERGY_STATE_DIR\n"
        'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    )
    return subprocess.run(
        ["sh", "-c", script, "sh", lem.command, *arguments],
        cwd=lem.folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "experiment x.yaml",
        "config validate x.yaml",
        "config new x.yaml",
        "config generate-grid x.yaml --set batch_size=1,2",
        "init --non-interactive",
        "results list",
        "results export -o x.csv",
        "results timeseries latest -o x.png",
        "aggregate latest",
        "doctor",
    ],
)
def test_a_command_without_a_current_folder_says_so(lem: Lem, arguments: str) -> None:
    done = run_in_removed_folder(lem, *arguments.split())
    assert done.returncode in (1, 2)
    assert GONE in " ".join(done.stderr.split())
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", ["--version", "explain no_gpu", "measure --backend none true"]
)
def test_a_command_that_needs_no_folder_goes_on(lem: Lem, arguments: str) -> None:
    assert run_in_removed_folder(lem, *arguments.split()).returncode == 0


def test_measure_runs_nothing_if_its_file_cannot_be(lem: Lem) -> None:
    done = run_in_removed_folder(lem, "measure", "-o", "x.json", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert "nothing was run" in done.stderr


@pytest.mark.parametrize(
    ("command", "written"),
    [
        ("rm -rf ../work", "work/x.json"),
        ("rm -rf ../work; mkdir ../work", "work/x.json"),
        ("mv ../work ../moved", "moved/x.json"),
    ],
)
def test_measure_writes_its_file_whatever_becomes_of_its_folder(
    lem: Lem, command: str, written: str
) -> None:
    work = lem.folder / "work"
    work.mkdir()
    inside = Lem(work, lem.command, lem.warm)
    done = inside("measure", "--backend", "none", "-o", "x.json", "--", "sh", "-c", command)
    assert done.returncode == 0, done.stderr
    assert json.loads((lem.folder / written).read_text())["exit_code"] == 0
    assert len(list(lem.folder.rglob("*.json"))) == 1


def test_measure_keeps_elsewhere_what_it_cannot_write(lem: Lem) -> None:
    """A file stands where the folder was."""
    (lem.folder / "out").mkdir()
    command = "rm -r out; touch out"
    done = lem(
        *("measure", "--backend", "none", "-o", "out/x.json", "--", "sh", "-c", command),
        TMPDIR=str(lem.folder),
    )
    assert done.returncode == 125
    assert "cannot write" in done.stderr
    kept = Path(done.stderr.partition("what was measured is in ")[2].partition("\n")[0])
    assert json.loads(kept.read_text())["exit_code"] == 0
