"""Installing tells where it stands, however long pip is silent."""

from __future__ import annotations

import importlib.util
import queue
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

_FILE = Path(__file__).parents[3] / "scripts" / "install.py"

SAID = [
    "Obtaining file:///here\n",
    "  Preparing metadata (pyproject.toml): started\n",
    "Collecting torch==2.13.0\n",
    "  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (190.0 MB)\n",
    "Requirement already satisfied: pip\n",
    "Installing collected packages: torch, lem\n",
    "Successfully installed torch-2.13.0 lem-4\n",
]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_script", _FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Slow:
    """A queue whose reader waits ``silence_s`` of a virtual clock for each line."""

    def __init__(self, lines: list[str | None], silence_s: float) -> None:
        self._lines, self._silence_s = list(lines), silence_s
        self.now_s, self._left_s = 0.0, silence_s

    def get(self, timeout: float) -> str | None:
        waited = min(timeout, self._left_s)
        self.now_s += waited
        self._left_s -= waited
        if self._left_s > 0:
            raise queue.Empty
        self._left_s = self._silence_s
        return self._lines.pop(0)


def told(install: ModuleType, monkeypatch: pytest.MonkeyPatch, silence_s: float) -> list[str]:
    lines = Slow([*SAID, None], silence_s)
    clock: Callable[[], float] = lambda: lines.now_s  # noqa: E731
    monkeypatch.setattr(install.time, "monotonic", clock)
    return list(install.follow(lines))


def test_quick_steps_are_a_line_each(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(install, monkeypatch, 1.0) == [
        "[  0 s] Looking for what is needed",
        "[  2 s] Preparing metadata (pyproject.toml): started",
        "[  4 s] Downloading torch-2.13.0 (190.0 MB)",
        "[  6 s] Installing the packages",
        "[  8 s] pip has ended",
    ]


@pytest.mark.parametrize("silence_s", [7.0, 45.0])  # the shorter: between lines that are not told
def test_no_silence_is_longer_than_ten_seconds(
    silence_s: float, install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = told(install, monkeypatch, silence_s)
    times = [float(line[1:].partition(" s]")[0]) for line in lines]
    assert times == sorted(times)
    assert max(b - a for a, b in pairwise(times)) <= install.STILL_EVERY_S
    assert "still at: Downloading torch-2.13.0 (190.0 MB)" in " ".join(lines)
    assert "still at: Installing the packages" in " ".join(lines)


def test_pips_exit_code_and_errors_come_through(
    install: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    assert install.main(["--no-such-option"]) == 2
    said = capfd.readouterr()
    assert "no such option" in said.err
    assert said.out.splitlines()[-1].endswith("pip has ended")
