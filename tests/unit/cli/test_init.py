from __future__ import annotations

from pathlib import Path

import click
import pytest

from llenergymeasure import cli

FILE = Path(".lem-config.yaml")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llenergymeasure.cli.arguments.questions.can_ask", lambda: True)
    monkeypatch.setattr("llenergymeasure.cli.init_cmd.can_ask", lambda: True)


@pytest.mark.usefixtures("terminal")
def test_non_interactive_asks_nothing_even_before_it_replaces(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(click, "confirm", lambda *_args, **_more: pytest.fail("asked"))
    monkeypatch.setattr(click, "prompt", lambda *_args, **_more: pytest.fail("asked"))
    FILE.write_text("verbosity: quiet\n")
    assert cli.main(["init", "--non-interactive", "--verbosity", "normal"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert FILE.read_text() == "verbosity: quiet\n"
    assert cli.main(["init", "--non-interactive", "--verbosity", "normal", "--yes"]) == 0
    assert "verbosity: normal" in FILE.read_text()


def test_yes_takes_every_default_with_a_terminal_or_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(click, "prompt", lambda *_args, **_more: pytest.fail("asked"))
    for terminal in (True, False):
        monkeypatch.setattr("llenergymeasure.cli.init_cmd.can_ask", lambda here=terminal: here)
        assert cli.main(["init", "--yes"]) == 0
        assert "verbosity: normal" in FILE.read_text()
        FILE.unlink()
