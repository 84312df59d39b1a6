"""A call that must come back: it runs in a thread of its own, and is given up after a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from llenergymeasure.exceptions import LLEnergyMeasureError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class StuckError(LLEnergyMeasureError):
    """A call did not come back in time; its thread is left behind."""


class Call(Generic[T]):
    """A call that has begun, in a daemon thread.

    Args:
        call: What to call.
        name: Of the thread.
        late: Called in that thread where ``call`` comes back after it was given up, to tidy up
            what nobody waits for any more. Whatever it raises is logged.
    """

    def __init__(
        self,
        call: Callable[[], T],
        name: str = "lem-call",
        late: Callable[[], object] | None = None,
    ) -> None:
        self._call = call
        self._late = late
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._is_given_up = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it is done, after ``timeout_s`` seconds at most; None waits for ever."""
        return self._done.wait(timeout_s)

    def result(self, timeout_s: float | None = None) -> T:
        """What the call gives, or raises.

        Raises:
            StuckError: It is not done after ``timeout_s`` seconds; it is given up then.
        """
        if not self._done.wait(timeout_s) and self._give_up():
            raise StuckError(f"did not answer within {timeout_s:g} s")
        if self._errors:
            raise self._errors[0]
        return self._results[0]

    def _give_up(self) -> bool:
        """False where it came back at the last moment."""
        with self._lock:
            self._is_given_up = not self._done.is_set()
            return self._is_given_up

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._errors.append(error)
        with self._lock:
            self._done.set()
        if self._is_given_up and self._late is not None:
            try:
                self._late()
            except Exception:
                logger.debug("tidying up after a late call failed", exc_info=True)


def within(
    call: Callable[[], T],
    timeout_s: float,
    name: str = "lem-call",
    late: Callable[[], object] | None = None,
) -> T:
    """What ``call`` gives, or raises, in a thread of its own (arguments as of ``Call``).

    Raises:
        StuckError: It is not done after ``timeout_s`` seconds.
    """
    return Call(call, name, late).result(timeout_s)
