"""Our own meter around one GPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from gputruth.driver import sleep_until
from llenergymeasure import EnergyMeter


class Meters:
    """One prepared meter a device."""

    def __init__(self) -> None:
        self._meters: dict[str, EnergyMeter] = {}

    def of(self, device: str) -> EnergyMeter:
        if device not in self._meters:
            meter = EnergyMeter("nvml", {"devices": [device]})
            meter.start()  # the first window waits for the source
            meter.stop()
            self._meters[device] = meter
        return self._meters[device]

    def window(self, device: str, work: Callable[[], object]) -> tuple[Any, EnergyMeter]:
        """The reading of the one GPU while ``work`` runs; raises if it has no number."""
        meter = self.of(device)
        meter.start()
        try:
            work()
        finally:
            reading = meter.stop()
        for domain in reading.domains:
            if domain.joules is not None:
                return domain, meter
        raise RuntimeError(f"no joules of GPU {device}: {meter.energy.reason}")

    def close(self) -> None:
        for meter in self._meters.values():
            meter.close()


def mean_w_of(
    meters: Meters, device: str, seconds: float, *, period_s: float | None = None
) -> float:
    """Mean power over a window of at least ``seconds``, as long as a multiple of ``period_s``.

    A part of a pulse at the window's end would look like another power.
    """
    whole_s = seconds if period_s is None else math.ceil(seconds / period_s) * period_s
    domain, _ = meters.window(device, lambda: sleep_until(time.monotonic() + whole_s))
    return float(domain.joules / domain.window.duration_s)
