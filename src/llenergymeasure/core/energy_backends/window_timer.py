"""The window of an energy source: when it opened, when it closed, and that it does not nest."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from llenergymeasure.domain.energy import MeasurementWindow
from llenergymeasure.exceptions import EnergyBackendError

MonotonicClock = Callable[[], int]
"""Returns nanoseconds that never go backwards, as ``time.monotonic_ns`` does."""


def past_window(start_ns: int, end_ns: int) -> MeasurementWindow:
    """A window that began a while ago by ``time.monotonic_ns``; its UTC is told back from now."""
    ago = timedelta(microseconds=(time.monotonic_ns() - start_ns) / 1e3)
    return MeasurementWindow.between(start_ns, end_ns, datetime.now(UTC) - ago)


class WindowTimer:
    """Takes the times of one window after another.

    Args:
        clock: Source of nanoseconds; a virtual one makes windows exact in tests.
    """

    def __init__(self, clock: MonotonicClock = time.monotonic_ns) -> None:
        self._clock = clock
        self._opened: tuple[int, datetime] | None = None

    def require_closed(self) -> None:
        """Refuse to go on while a window is open: windows do not nest.

        Raises:
            EnergyBackendError: A window is open.
        """
        if self._opened is not None:
            raise EnergyBackendError("a window is already open: call stop() before start()")

    def open(self) -> int:
        """Open a window and return its start in ns.

        Raises:
            EnergyBackendError: One is open already.
        """
        self.require_closed()
        now_utc = datetime.now(UTC)
        start_ns = self._clock()
        self._opened = (start_ns, now_utc)
        return start_ns

    def close(self) -> MeasurementWindow:
        """Close the window and return its times.

        Raises:
            EnergyBackendError: None is open.
        """
        end_ns = self._clock()
        if self._opened is None:
            raise EnergyBackendError("no window is open: call start() before stop()")
        start_ns, start_utc = self._opened
        self._opened = None
        return MeasurementWindow.between(start_ns, end_ns, start_utc)

    def forget(self) -> None:
        """Drop an open window, if there is one."""
        self._opened = None
