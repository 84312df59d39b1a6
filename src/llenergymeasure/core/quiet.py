"""Keeping libraries from talking over our own output, or that of the measured program."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any, cast


def quieten_transformers() -> None:
    """Errors only from transformers, and no progress bar where nobody watches one."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()


def quieten_hub() -> None:
    """The same for huggingface_hub, whose retries would be logged as warnings."""
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()


@contextlib.contextmanager
def without_prints() -> Iterator[None]:
    """Drop what this thread prints to stdout; other threads print as ever."""
    with contextlib.redirect_stdout(cast("Any", _OthersOnly(sys.stdout))):
        yield


class _OthersOnly:
    """A stream that does not take what the thread writes that made it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._silent = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._silent:
            return len(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
