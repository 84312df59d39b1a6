"""Reading an energy source once, for a moment, to see what it gives on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing

from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.impossible import refuse_impossible
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
    answers: list[EnergyReading | LLEnergyMeasureError] = []

    def read() -> None:
        try:
            with closing(make()) as source:
                source.prepare()
                source.start()
                time.sleep(PROBE_WINDOW_S)
                answers.append(refuse_impossible(source.stop()))
        except LLEnergyMeasureError as error:
            answers.append(error)
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything: that is the finding
            answers.append(EnergyBackendError(f"{type(error).__name__}: {error}"))

    thread = threading.Thread(target=read, name="lem-energy-probe", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not answers:
        raise EnergyBackendError(f"{name} gave no reading within {timeout_s:.0f} s")
    answer = answers[0]
    if isinstance(answer, LLEnergyMeasureError):
        raise answer
    return answer
