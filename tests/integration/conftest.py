"""One small measurement that all tests of commands share."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from llenergymeasure import cli
from llenergymeasure.orchestration.machine.checks import Check, CheckState

ONE = ["--model", "scripted", "--backend", "echo", "--num-prompts", "2"]
ONE += ["--set", "energy.backend=replay", "--set", "energy.replay.curve.shape=constant"]
CONFIG = {"config_name": "tiny", "model_name": "scripted", "backend": "echo", "num_prompts": 2}


def call(*args: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a call that has both streams to itself."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.main(args)
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one experiment, measured once for all tests, and what was told of it."""
    folder = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LLM_ENERGY_RESULTS_DIR", str(folder / "results"))
        patch.setenv("LLM_ENERGY_STATE_DIR", str(folder / ".state"))
        code, out, err = call("--json", "experiment", *ONE)
        assert code == 0
        (folder / "told.out").write_text(out)
        (folder / "told.err").write_text(err)
    return folder


@pytest.fixture
def measured_place(measured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in that folder, with nothing slow behind the commands that look at the machine."""
    monkeypatch.chdir(measured)
    monkeypatch.setenv("LLM_ENERGY_RESULTS_DIR", str(measured / "results"))
    monkeypatch.setenv("LLM_ENERGY_STATE_DIR", str(measured / ".state"))
    monkeypatch.setenv("XDG_STATE_HOME", str(measured / "logs"))
    for name in ("tiny", "other"):
        (measured / f"{name}.json").write_text(json.dumps({**CONFIG, "config_name": name}))
    found = [Check("disk", CheckState.OK, "1 GiB free", "free some space")]
    monkeypatch.setattr("llenergymeasure.cli.doctor.examine", lambda *_: found)
