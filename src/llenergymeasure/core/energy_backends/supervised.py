"""Calls of an energy source that must come back: a driver may hang, work must go on."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

from llenergymeasure.core.energy_backends.base import EnergyBackend, SamplingEnergyBackend
from llenergymeasure.core.energy_backends.none import UnavailableEnergyBackend, without_number
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import EnergyBackendError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A source that works opens and closes its window within 3 s each.
PART_TIMEOUT_S = 10.0
# Of several sources one may hang, and the others still tell theirs.
WINDOW_TIMEOUT_S = 2 * PART_TIMEOUT_S
_CLOSE_TIMEOUT_S = 5.0

_HANGS = f"did not answer within {WINDOW_TIMEOUT_S:g} s"

# A source that hung once would hang again, in every window.
_STUCK: weakref.WeakSet[EnergyBackend] = weakref.WeakSet()


class StuckError(EnergyBackendError):
    """A call did not come back in time; its thread is left behind."""


def within(call: Callable[[], T], timeout_s: float = WINDOW_TIMEOUT_S) -> T:
    """What ``call`` gives, or raises, in a thread of its own.

    Raises:
        StuckError: It is not done after ``timeout_s`` seconds.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="lem-energy-call", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if errors:
        raise errors[0]
    if not results:
        raise StuckError(f"did not answer within {timeout_s:g} s")
    return results[0]


def give_up(energy: EnergyBackend) -> None:
    """Ask nothing more of a source that hung."""
    _STUCK.add(energy)


def start_supervised(energy: EnergyBackend, name: str) -> EnergyBackend:
    """Open a window; gives the source that has it open, the null one where this one hangs.

    Raises:
        Exception: What the source raises.
    """
    try:
        if energy not in _STUCK:
            within(energy.start)
            return energy
    except StuckError:
        give_up(energy)
    null = UnavailableEnergyBackend(name, f"{name} {_HANGS}")
    null.start()
    return null


def stop_supervised(energy: EnergyBackend, name: str) -> EnergyReading:
    """The reading of a window's end; without a number where the source raises or hangs.

    That is against its contract, and must not cost the work that was measured.
    """
    try:
        return within(energy.stop)
    except StuckError:
        give_up(energy)
        return without_number(name, f"{name} {_HANGS}")
    except Exception as error:
        logger.exception("energy source %s failed to stop", name)
        return without_number(name, f"{name} failed to stop: {type(error).__name__}: {error}")


def samples_of(energy: EnergyBackend) -> tuple[SampleSeries, ...]:
    """What was sampled within the last window; empty where nothing is, or it cannot be had."""
    if not isinstance(energy, SamplingEnergyBackend) or energy in _STUCK:
        return ()
    try:
        return tuple(within(energy.samples, _CLOSE_TIMEOUT_S))
    except Exception:
        # A curve that is lost must not cost the joules, which are there already.
        logger.exception("the energy source kept no samples")
        return ()


def close_supervised(energy: EnergyBackend, name: str) -> None:
    """Release a source, whatever it raises: what was measured is there already."""
    if energy in _STUCK:
        return
    try:
        within(energy.close, _CLOSE_TIMEOUT_S)
    except StuckError as stuck:
        logger.info("energy source %s, asked to close, %s", name, stuck.message)
    except Exception:
        logger.exception("energy source %s failed to close", name)
