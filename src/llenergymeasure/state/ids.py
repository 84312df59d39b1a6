"""Experiment ids: they sort by time, are safe in paths, and are never used twice."""

from __future__ import annotations

import re
import secrets
import threading
from datetime import UTC, datetime, timedelta
from typing import Final

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_ID: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9]{6}-[a-z2-7]{4}", re.ASCII)
_STEP: Final = timedelta(microseconds=1)

_lock = threading.Lock()
# One order for all stores of a process.
_last = datetime.min.replace(tzinfo=UTC)


def is_minted(text: str) -> bool:
    """Whether ``text`` has the form of our ids."""
    return _ID.fullmatch(text) is not None


def mint(now: datetime) -> str:
    """``YYYYMMDD-HHMMSS-ffffff-xxxx`` in UTC; each is greater than the last of this process.

    Also when two fall into one microsecond, and when the clock is set back.
    """
    global _last
    with _lock:
        _last = max(now.astimezone(UTC), _last + _STEP)
        suffix = "".join(secrets.choice(_ALPHABET) for _ in range(4))
        return f"{_last:%Y%m%d-%H%M%S-%f}-{suffix}"
