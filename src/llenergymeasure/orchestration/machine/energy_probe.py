"""Reading an energy source once, for a moment, to see what it gives on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.impossible import refuse_impossible
from llenergymeasure.deadline import StuckError, within
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.exceptions import EnergyBackendError, LLEnergyMeasureError

PROBE_TIMEOUT_S = 60.0
PROBE_WINDOW_S = 0.2


def probe_source(
    make: Callable[[], EnergyBackend], name: str, timeout_s: float = PROBE_TIMEOUT_S
) -> EnergyReading:
    """The reading of one short window of a source that ``make`` makes; it is closed again.

    Args:
        make: Makes the source; called in a thread, which is left behind if it hangs.
        name: Of the source, for messages.
        timeout_s: How long all of it may take.

    Raises:
        LLEnergyMeasureError: It cannot be set up, fails, or takes too long.
    """
    try:
        return within(lambda: _read_once(make), timeout_s, "lem-energy-probe")
    except StuckError as stuck:
        raise EnergyBackendError(f"{name} gave no reading within {timeout_s:g} s") from stuck
    except LLEnergyMeasureError:
        raise
    except Exception as error:
        # A plug-in may raise anything: that is the finding.
        raise EnergyBackendError(f"{type(error).__name__}: {error}") from error


def _read_once(make: Callable[[], EnergyBackend]) -> EnergyReading:
    with closing(make()) as source:
        source.prepare()
        source.start()
        time.sleep(PROBE_WINDOW_S)
        return refuse_impossible(source.stop())
