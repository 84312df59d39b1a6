"""Doing something now and then, in a thread, until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

# What is done reads small files; one that takes longer than this hangs, and is left behind.
_JOIN_TIMEOUT_S = 5.0


class Poller:
    """Calls ``action`` every ``every_s`` seconds from now on.

    Args:
        action: Must not raise.
        every_s: Pause between two calls.
        name: Of the thread.
    """

    def __init__(self, action: Callable[[], object], every_s: float, name: str) -> None:
        self._action = action
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a call that is under way is waited for."""
        self._stop.set()
        self._thread.join(timeout=_JOIN_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._action()
