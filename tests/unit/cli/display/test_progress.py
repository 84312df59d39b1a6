from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display import progress as view
from llenergymeasure.progress import Progress, SilentObserver

MEASURING = Progress(
    phase="measuring",
    cycle=2,
    planned_cycles=3,
    requests_done=12,
    requests_total=60,
    output_tokens=500,
    phase_elapsed_s=2.0,
)


def test_a_progress_in_words() -> None:
    assert view.describe_progress(MEASURING) == "measuring, cycle 2 of 3: 12/60 prompts, 250 tok/s"
    assert view.describe_progress(Progress(phase="loading")) == "loading"
    assert view.describe_progress(Progress(phase="saving", requests_total=60)) == "saving"


def test_plain_lines_one_a_phase_and_one_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    plain = view.PlainView()
    for second in range(12):
        clock[0] = float(second)
        plain.progress(Progress(phase="loading" if second < 2 else "measuring"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["[0 s] loading", "[2 s] measuring", "[7 s] measuring"]


def test_the_rate_does_not_sink_while_a_batch_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    plain = view.PlainView()
    for later_s, tokens in ((0.0, 500), (6.0, 500), (12.0, 2800)):
        clock[0] = later_s
        plain.progress(replace(MEASURING, output_tokens=tokens, phase_elapsed_s=2.0 + later_s))
    rates = [line.split(", ")[-1] for line in capsys.readouterr().err.splitlines()]
    assert rates == ["250 tok/s", "250 tok/s", "200 tok/s"]


def test_quiet_is_silent_and_a_pipe_gets_plain_lines() -> None:
    with view.progress_view(GlobalOptions(quiet=True)) as observer:
        assert isinstance(observer, SilentObserver)
    with view.progress_view(GlobalOptions()) as observer:
        assert isinstance(observer, view.PlainView)


def test_a_terminal_gets_a_line_that_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    with view.progress_view(GlobalOptions()) as observer:
        assert isinstance(observer, view.TerminalView)
        observer.started("some-id", "some.log")
        observer.progress(MEASURING)
        observer.notice("look [here]")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "12/60 prompts, 250 tok/s" in captured.err
    assert "look [here]" in captured.err
    # The cursor is shown again.
    assert captured.err.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in captured.err
