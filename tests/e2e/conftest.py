"""Driving the installed `lem` as a user does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from .warm import WarmLem

# What hangs is told apart from what is slow on a machine with other work.
TIMEOUT_S = 180


def wait_for(condition: Callable[[], Any], seconds: float = TIMEOUT_S) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


@dataclass(frozen=True)
class Lem:
    """The command, in a folder of its own."""

    folder: Path
    command: str
    warm: WarmLem

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, by a fork unless a variable is read when a program starts."""
        if not any(name.startswith(("PYTHON", "LD_")) for name in env):
            return self.warm.run(arguments, self.folder, {**os.environ, **env}, TIMEOUT_S)
        return self.afresh(*arguments, **env)

    def afresh(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it in a new Python."""
        return subprocess.run(
            [self.command, *arguments],
            cwd=self.folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.command, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self("--json", *arguments)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def write(self, data: dict[str, Any], name: str = "config.json") -> str:
        (self.folder / name).write_text(json.dumps(data), encoding="utf-8")
        return name

    def events(self, attempt: int = 1) -> list[dict[str, Any]]:
        files = sorted(self.folder.glob(f"results/raw/*/events_{attempt}.jsonl"))
        lines = files[-1].read_text(encoding="utf-8").splitlines() if files else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def forget(self) -> None:
        """Remove all results and states, to begin again."""
        for name in ("results", ".state"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Measuring processes that belong to this folder's experiments."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            command = " ".join(process.info["cmdline"] or [])
            if str(self.folder) in command and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmLem]:
    command = shutil.which("lem", path=str(Path(sys.executable).parent))
    assert command, "the package is not installed in this environment"
    with WarmLem(command) as warm:
        yield warm


@pytest.fixture
def lem(tmp_path: Path, warm: WarmLem) -> Lem:
    return Lem(tmp_path, warm.command, warm)
