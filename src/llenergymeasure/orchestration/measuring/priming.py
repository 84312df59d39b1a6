"""Preparing an energy source beside other work; one that cannot be prepared says so itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.none import UnavailableEnergyBackend
from llenergymeasure.core.energy_backends.supervised import close_supervised
from llenergymeasure.exceptions import EnergyDevicesError, LLEnergyMeasureError

logger = logging.getLogger(__name__)

# Priming a source takes seconds; one that has not answered by then never will.
ENERGY_PREPARE_TIMEOUT_S = 60.0


class EnergyPriming:
    """Prepares an energy source in a thread, beside other work such as loading a model.

    A source that cannot be prepared becomes one that says so: work goes on without joules.

    Args:
        energy: The source.
        name: Its name.
        afterwards: Called in the same thread when the source is ready.
    """

    def __init__(
        self, energy: EnergyBackend, name: str, afterwards: Callable[[], None] | None = None
    ) -> None:
        self._energy = energy
        self._name = name
        self._afterwards = afterwards
        self._error: Exception | None = None
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._is_given_up = False
        self._closed = False
        self._deadline_s = time.monotonic() + ENERGY_PREPARE_TIMEOUT_S
        self._thread = threading.Thread(target=self._prepare, name="lem-energy", daemon=True)
        self._thread.start()

    def _prepare(self) -> None:
        try:
            self._energy.prepare()
        except Exception as error:  # noqa: BLE001 - kept, and told with the result
            self._error = error
        with self._lock:
            self._settled.set()
        # Nobody waits for it any more: what comes afterwards would disturb the work.
        if self._is_given_up:
            self._close_source()
            return
        if self._afterwards is not None:
            self._afterwards()
        if self._closed:
            self._close_source()

    def is_under_way(self) -> bool:
        """Whether ``ready`` would have to wait."""
        return self._thread.is_alive()

    def ready(self) -> EnergyBackend:
        """The prepared source, or the null one with the reason; what comes afterwards is done.

        Raises:
            EnergyDevicesError: A device that the user names is not there.
        """
        self._thread.join(timeout=self._left_s())
        return self.prepared()

    def prepared(self) -> EnergyBackend:
        """As ``ready``, but what comes afterwards may still be going on."""
        if not self._settled.wait(timeout=self._left_s()):
            self._give_up()
        if self._is_given_up:
            return self._unavailable(f"it was not ready after {ENERGY_PREPARE_TIMEOUT_S:g} s")
        if isinstance(self._error, EnergyDevicesError):
            raise self._error
        if self._error is not None:
            logger.warning("energy source %s failed", self._name, exc_info=self._error)
            return self._unavailable(_words(self._error))
        return self._energy

    def _give_up(self) -> None:
        """For good, unless it came back at the last moment: a later window is told the same."""
        with self._lock:
            self._is_given_up = not self._settled.is_set()

    def _left_s(self) -> float:
        """One time for all who wait: a source that is stuck is waited for once."""
        return max(0.0, self._deadline_s - time.monotonic())

    def _unavailable(self, reason: str) -> EnergyBackend:
        return UnavailableEnergyBackend(self._name, reason)

    def close(self) -> None:
        """Close the source; one that is still being prepared closes when that is done."""
        self._closed = True
        self._thread.join(timeout=1.0)
        if not self._thread.is_alive():
            self._close_source()

    def _close_source(self) -> None:
        close_supervised(self._energy, self._name)


def _words(error: Exception) -> str:
    if not isinstance(error, LLEnergyMeasureError):
        return f"{type(error).__name__}: {error}"
    return f"{error.message} ({error.hint})" if error.hint else error.message
