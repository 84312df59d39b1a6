"""A signal at any moment of any command: its documented exit code, one line, no traceback."""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from types import FrameType

import pytest

from llenergymeasure import cli
from llenergymeasure.cli.interruptions import hear_of_signals
from llenergymeasure.orchestration.machine.backends import list_backends
from llenergymeasure.orchestration.machine.gpus import look_at_gpus

from .conftest import call
from .test_every_command import CALLS

pytestmark = pytest.mark.usefixtures("measured_place")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
MOMENTS = 2 * len(SIGNALS)
# Its signals are the measured command's: tests/e2e/test_measure.py.
ALL = {name: calls[-1] for name, calls in CALLS.items() if name != "measure"}


@pytest.fixture(autouse=True)
def heard_signals() -> Iterator[None]:
    """Who starts the tests in the background, or by nohup, has some signals ignored."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        own = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
        signal.signal(number, own)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def call_and_count(words: list[str], at: Callable[[int], None]) -> tuple[tuple[int, str, str], int]:
    """What a call gave, and how many functions of ours it entered; ``at`` hears of each."""
    entered = 0

    def hear(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal entered
        code = frame.f_code
        # Python drops what is raised while a generator is thrown away: nobody can mend that.
        if code.co_flags & inspect.CO_GENERATOR:
            return
        if event == "call" and "llenergymeasure" in code.co_filename:
            entered += 1
            at(entered)

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        given = call(*words)
    finally:
        sys.setprofile(before)
    return given, entered


def strike_at(chosen: int, number: signal.Signals, entered: int) -> None:
    if entered == chosen:
        sys.setprofile(None)
        signal.raise_signal(number)


@pytest.mark.parametrize("name", ALL)
def test_a_signal_ends_a_command_with_130_and_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for look in (look_at_gpus, list_backends):
        monkeypatch.setattr(look.__module__ + "." + look.__name__, cache(look))
    words = [*name.split(), *ALL[name]]
    # All modules are imported by the first call: none is left half of itself.
    call(*words)
    (code, _, _), entered = call_and_count(words, lambda _: None)
    assert code == 0
    for moment in range(MOMENTS):
        # From the first function within the command on: before it there is the process's own end.
        chosen = 20 + (entered - 40) * moment // MOMENTS
        strike = partial(strike_at, chosen, SIGNALS[moment % len(SIGNALS)])
        (code, _, err), _ = call_and_count(words, strike)
        assert code == 130
        lines = [line for line in err.splitlines() if line.startswith("Error:")]
        assert len(lines) == 1
        assert lines[0].startswith("Error: interrupted")
        assert "Traceback" not in err


def test_what_is_ignored_stays_so_and_handlers_come_back() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with hear_of_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_leaves_signals_alone() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(cli.main, ["--version"]).result() == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
