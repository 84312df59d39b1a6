"""stdout and stderr that cannot take a command down: a full disk, a reader that has gone.

stdout is what was asked for, so losing it fails the command, in one place and with one error.
stderr only accompanies, so what it cannot take is dropped.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class OutputLostError(Exception):
    """stdout took no more.

    Not an OSError: click and Rich have ways of their own with those, and a command that guards
    against an unreadable file must not catch this one.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"stdout cannot be written: {cause.strerror or cause}")
        self.is_unread = isinstance(cause, BrokenPipeError)
        """Whether the reader has gone: no failure to speak of."""


@contextmanager
def guard_streams() -> Iterator[None]:
    """Within it ``sys.stdout`` raises only ``OutputLostError``, and ``sys.stderr`` nothing."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _guard("stdout", is_needed=True), _guard("stderr", is_needed=False)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        sys.stdout, sys.stderr = before


def _guard(name: str, *, is_needed: bool) -> TextIO:
    stream: TextIO | None = getattr(sys, name)
    if stream is None:
        # Python has None for a stream that was closed to it (``lem ... >&-``). Its number is taken
        # again at once, or the next file that is opened would get it.
        number = os.open(os.devnull, os.O_RDONLY if is_needed else os.O_WRONLY)
        return _wrap(number, "utf-8", is_needed=is_needed)
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # a stream in memory
        return stream
    _flush(stream)
    return _wrap(number, stream.encoding, is_needed=is_needed)


def _wrap(number: int, encoding: str, *, is_needed: bool) -> TextIO:
    raw = _Guarded(number, is_needed=is_needed)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding,
        # A terminal that cannot show a character gets a "?" instead of a traceback.
        errors="replace",
        line_buffering=not is_needed or raw.isatty(),
    )


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError, OutputLostError):
        return


class _Guarded(io.FileIO):
    """A file descriptor that fails once at most: what comes after that is dropped."""

    def __init__(self, number: int, *, is_needed: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._is_needed = is_needed
        self._is_lost = False

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        if self._is_lost:
            return size
        try:
            while (written := super().write(data)) is None:
                self._wait()
        except OSError as error:
            self._is_lost = True
            if self._is_needed:
                raise OutputLostError(error) from error
            return size
        return written

    def _wait(self) -> None:
        # Whoever shares the pipe has made it non-blocking (a terminal's other programs do).
        import select

        select.select([], [self.fileno()], [])
