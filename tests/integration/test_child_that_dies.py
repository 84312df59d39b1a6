"""A measuring process that dies after its work was saved has not failed; before that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure import cli
from llenergymeasure.orchestration import child

LAUNCHER = """
import os, sys, time
from llenergymeasure.core.inference_backends.echo import EchoBackend
from llenergymeasure.orchestration import launcher
from llenergymeasure.orchestration.events import EventWriter
from llenergymeasure.results.repository import FileSystemRepository

CALLS = []


def die():
    sys.stderr.write("terminate called without an active exception\\n")
    os.abort()


def close_with(act):
    EchoBackend.close = lambda self: act()


def fail():
    raise RuntimeError("the driver is shutting down")


def after_save(act, at=1):
    save = FileSystemRepository.save_raw

    def saving(self, result, *args, **kwargs):
        save(self, result, *args, **kwargs)
        CALLS.append(result)
        if len(CALLS) == at:
            act(self.raw_dir(result.experiment_id))

    FileSystemRepository.save_raw = saving


{planted}
os._exit(launcher.main(sys.argv[1:]))
"""
DONE = {
    "aborts": "close_with(die)",
    "raises": "close_with(fail)",
    "exits": "close_with(lambda: os._exit(3))",
    "is killed": "close_with(lambda: os.kill(os.getpid(), 9))",
    "hangs": "close_with(lambda: time.sleep(600))",
}
NOT_DONE = {
    "before anything is saved": "FileSystemRepository.save_raw = lambda *a, **k: die()",
    "between two cycles": "after_save(lambda folder: die())",
    "before it says so": "EventWriter.saved = lambda self: die()",
    "with a damaged result": (
        "after_save(lambda folder: (folder / 'cycle_2' / 'process_0.json').write_text('{}'), 2);"
        "close_with(die)"
    ),
    "with a marker gone": (
        "after_save(lambda folder: (folder / 'cycle_1' / '.completed_0').unlink(), 2);"
        "close_with(die)"
    ),
}
ONE = "--model scripted --backend echo --num-prompts 2 --cycles 2 --set energy.backend=none"


def run(planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    (tmp_path / "dying_launcher.py").write_text(LAUNCHER.replace("{planted}", planted))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(child, "LAUNCHER_MODULE", "dying_launcher")
    monkeypatch.setattr(child, "CLOSING_S", 2.0)
    return cli.main(["--json", "experiment", *ONE.split()])


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("planted", DONE.values(), ids=DONE)
def test_what_dies_after_everything_was_saved_has_not_failed(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert run(planted, tmp_path, monkeypatch) == 0
    result = answer(capsys)
    assert (result["status"], result["cycles"]["n"]) == ("aggregated", 2)
    (log,) = Path("results").glob("raw/*/logs/2*.log")
    assert "ended badly after all results were saved" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("planted", NOT_DONE.values(), ids=NOT_DONE)
def test_what_dies_before_everything_was_saved_has_failed(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert run(planted, tmp_path, monkeypatch) == 1
    assert "SIGABRT" in answer(capsys)["error"]["message"]
    assert cli.main(["--json", "results", "show", "latest"]) == 0
    assert answer(capsys)["status"] == "failed"
