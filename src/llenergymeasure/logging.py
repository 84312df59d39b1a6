"""Log files: one per experiment, rotated. A terminal sees stray warnings, and what it asks for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

ROTATE_BYTES = 50 * 2**20
KEEP_FILES = 3

_FORMAT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"

_STDERR_FORMAT = "%(levelname)s %(name)s: %(message)s"


@contextmanager
def experiment_log(path: Path, clean: Callable[[str], str]) -> Iterator[None]:
    """Send every log record of this process to ``path`` (DEBUG of ours, INFO of others).

    The file is rotated at 50 MiB; three older ones are kept.

    Args:
        path: The file.
        clean: Takes out of a record's text what must not be kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        path, maxBytes=ROTATE_BYTES, backupCount=KEEP_FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(_CleanFormatter(_FORMAT, clean))
    root = logging.getLogger()
    ours = logging.getLogger("llenergymeasure")
    before = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(min(root.level or logging.INFO, logging.INFO))
    ours.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        handler.close()


class _CleanFormatter(logging.Formatter):
    def __init__(self, form: str, clean: Callable[[str], str]) -> None:
        super().__init__(form)
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        return self._clean(super().format(record))


def log_to_stderr(level: int, clean: Callable[[str], str]) -> None:
    """Show our own records of ``level`` and above on stderr (``-v``).

    Args:
        level: The least level.
        clean: Makes the text of a record fit for a terminal.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(_CleanFormatter(_STDERR_FORMAT, clean))
    logger = logging.getLogger("llenergymeasure")
    logger.addHandler(handler)
    logger.setLevel(min(logger.level or level, level))


def show_stray_warnings(show: Callable[[str], None]) -> None:
    """Hand each warning that no log file takes to ``show``, once, and without its traceback.

    Python would write it to stderr bare, as often as it is given.
    """
    logging.lastResort = _StrayWarnings(show)


class _StrayWarnings(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._shown:
            self._shown.add(text)
            self._show(text)
