"""Signals that end a command: one way out for all of them, and no traceback. Light: no imports."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGTERM", "SIGHUP")


@contextmanager
def hear_of_signals() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP interrupt as Ctrl-C does; in a main thread only.

    What is ignored stays so: that is what nohup asks for. But for SIGCHLD, which who starts us may
    ignore: then no exit code could be read.
    """
    before = {}
    try:
        for name in _ENDING:
            if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL:
                number = getattr(signal, name)
                before[number] = signal.signal(number, _interrupt)
        if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    except ValueError:  # not the main thread: signals are another's business
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_hearing() -> None:
    """For the end of a process: Ctrl-C ends it at once, without a traceback of what was left."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
