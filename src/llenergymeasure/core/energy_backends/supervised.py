"""Calls of an energy source that must come back: a driver may hang, work must go on.

A source that hung while it opened or closed a window would hang again, and is asked nothing
more; what it still does when it comes back is undone by closing it. One that hung over its
samples or temperatures still tells its joules.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping

from llenergymeasure.core.energy_backends.base import (
    EnergyBackend,
    SamplingEnergyBackend,
    TemperatureSource,
)
from llenergymeasure.core.energy_backends.impossible import describe_error, refuse_impossible
from llenergymeasure.core.energy_backends.none import UnavailableEnergyBackend, without_number
from llenergymeasure.deadline import StuckError, within
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.domain.samples import SampleSeries

logger = logging.getLogger(__name__)

# A source that works opens and closes its window within 3 s each. Of several sources one or two
# may hang, and the others still tell theirs (``combined/part.py`` has the limits of each).
WINDOW_TIMEOUT_S = 25.0
# Samples, temperatures and close() are asked for between windows.
BETWEEN_TIMEOUT_S = 6.0

_STUCK: weakref.WeakSet[EnergyBackend] = weakref.WeakSet()
_SILENT: weakref.WeakSet[EnergyBackend] = weakref.WeakSet()


def give_up(energy: EnergyBackend) -> None:
    """Ask nothing more of a source that hung."""
    _STUCK.add(energy)


def start_supervised(
    energy: EnergyBackend, name: str, timeout_s: float = WINDOW_TIMEOUT_S
) -> EnergyBackend:
    """Open a window; gives the source that has it open, the null one where this one hangs.

    Raises:
        Exception: What the source raises.
    """
    reason = f"{name} hung before"
    try:
        if energy not in _STUCK:
            within(energy.start, timeout_s, "lem-energy-start", late=energy.close)
            return energy
    except StuckError as stuck:
        give_up(energy)
        reason = f"{name} {stuck.message}"
    null = UnavailableEnergyBackend(name, reason)
    null.start()
    return null


def stop_supervised(
    energy: EnergyBackend, name: str, timeout_s: float = WINDOW_TIMEOUT_S
) -> EnergyReading:
    """The reading of a window's end; without a number where the source raises or hangs.

    That is against its contract, and must not cost the work that was measured.
    """
    try:
        reading = within(energy.stop, timeout_s, "lem-energy-stop", late=energy.close)
        return refuse_impossible(reading)
    except StuckError as stuck:
        give_up(energy)
        return without_number(name, f"{name} {stuck.message}")
    except Exception as error:
        logger.exception("energy source %s failed to stop", name)
        return without_number(name, f"{name} failed to stop: {describe_error(error)}")


def samples_of(
    energy: EnergyBackend, timeout_s: float = BETWEEN_TIMEOUT_S
) -> tuple[SampleSeries, ...]:
    """What was sampled within the last window; empty where nothing is, or it cannot be had."""
    if not isinstance(energy, SamplingEnergyBackend) or _is_silent(energy):
        return ()
    try:
        return tuple(within(energy.samples, timeout_s, "lem-energy-samples"))
    except StuckError as stuck:
        _SILENT.add(energy)
        logger.warning("the energy source, asked for its samples, %s", stuck.message)
    except Exception:
        # A curve that is lost must not cost the joules, which are there already.
        logger.exception("the energy source kept no samples")
    return ()


def temperatures_of(
    energy: EnergyBackend, timeout_s: float = BETWEEN_TIMEOUT_S
) -> Mapping[str, float]:
    """Degrees Celsius now, by domain name; empty where none can be had."""
    if not isinstance(energy, TemperatureSource) or _is_silent(energy):
        return {}
    try:
        return within(energy.temperatures_c, timeout_s, "lem-energy-temperatures")
    except StuckError as stuck:
        _SILENT.add(energy)
        logger.warning("the energy source, asked for temperatures, %s", stuck.message)
    except Exception:
        # Work without a thermometer is better than none.
        logger.warning("temperatures could not be read", exc_info=True)
    return {}


def close_supervised(
    energy: EnergyBackend, name: str, timeout_s: float = BETWEEN_TIMEOUT_S
) -> None:
    """Release a source, whatever it raises: what was measured is there already."""
    if energy in _STUCK:
        return
    try:
        within(energy.close, timeout_s, "lem-energy-close")
    except StuckError as stuck:
        logger.info("energy source %s, asked to close, %s", name, stuck.message)
    except Exception:
        logger.exception("energy source %s failed to close", name)


def _is_silent(energy: EnergyBackend) -> bool:
    return energy in _STUCK or energy in _SILENT
