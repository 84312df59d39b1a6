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


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The load average of a machine of two cores, which a test may set."""
    average = [0.5]
    monkeypatch.setattr(view.os, "getloadavg", lambda: (average[0], 0.0, 0.0))
    monkeypatch.setattr(view.os, "cpu_count", lambda: 2)
    return average


PHASES = {
    "starting": "waiting for the measuring process to start",
    "preparing the device": "waiting for the device",
    "idle baseline": "reading idle power",
    "loading": "waiting for the model to load",
    "preparing the energy source": "waiting for the energy source",
    "warm-up": "waiting for the first batch",
    "measuring": "waiting for the first batch",
    "saving": "waiting for the disk",
    "aggregating": "waiting for the results to be read",
    "a phase of later": "in a phase of later",
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", ["plain", "terminal"])
def test_a_phase_that_stands_still_says_how_long_and_what_is_awaited(
    kind: str,
    phase: str,
    cores: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: kind == "terminal", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    seen = view.PlainView() if kind == "plain" else view.TerminalView()
    still = Progress(phase=phase, requests_total=8)
    for second in range(0, 31, 5):
        clock[0] = float(second)
        seen.progress(replace(still, phase_elapsed_s=float(second)))
        if second == 5:
            assert PHASES[phase] not in capsys.readouterr().err
    seen.close()
    told = capsys.readouterr().err
    assert f"{PHASES[phase]} for 30 s" in told
    assert "busy" not in told


def test_a_wait_on_a_busy_machine_says_that_it_is_busy(cores: list[float]) -> None:
    cores[0] = 12.0
    watch = view._Watch()
    warming = Progress(phase="warm-up", requests_total=8)
    assert watch.describe(warming) == "warm-up: 0/8 prompts"
    assert watch.describe(replace(warming, phase_elapsed_s=42.0)) == (
        "warm-up: 0/8 prompts; waiting for the first batch for 42 s "
        "(this machine is busy: load average 12.0, 2 cores)"
    )


def test_an_answer_ends_the_wait(cores: list[float]) -> None:
    watch = view._Watch()
    warming = Progress(phase="warm-up", requests_total=8)
    told = [
        watch.describe(replace(warming, requests_done=done, phase_elapsed_s=at_s))
        for done, at_s in ((0, 0.0), (0, 40.0), (4, 41.0), (4, 50.0), (4, 60.0))
    ]
    assert [text.partition("; ")[2] for text in told] == [
        "",
        "waiting for the first batch for 40 s",
        "",
        "",
        "waiting for the next batch for 19 s",
    ]


def test_a_warm_up_without_an_end_in_sight_counts_what_was_answered() -> None:
    warming = Progress(phase="warm-up", requests_done=12)
    assert view.describe_progress(warming) == "warm-up: 12 prompts so far"


class Ticks:
    """An event that is waited for in vain so many times; each wait takes as long as it may."""

    def __init__(self, clock: list[float], ticks: int) -> None:
        self._clock, self._ticks = clock, ticks

    def wait(self, timeout: float) -> bool:
        self._clock[0] += timeout
        self._ticks -= 1
        return self._ticks < 0


@pytest.mark.parametrize("ticks", [0, 2])
def test_what_is_slow_before_a_run_is_told_every_few_seconds(
    ticks: int,
    cores: list[float],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: clock[0])
    view._tell_until(Ticks(clock, ticks), "checking")  # type: ignore[arg-type]
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["[5 s] checking ...", "[10 s] checking ..."][:ticks]
