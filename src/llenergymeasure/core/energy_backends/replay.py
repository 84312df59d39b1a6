"""Replayed energy: the exact integral of a known power curve over the window's own time.

P(t)      ________
         |        |        t = 0 at the first start()
  _______|        |____    joules = integral of P over [start, stop]
  ^start        ^stop

Later windows go on from there, on the same clock.
"""

from __future__ import annotations

import time

from llenergymeasure.config.backend_configs import ReplayConfig
from llenergymeasure.core.energy_backends.clock import MonotonicClock, WindowTimer
from llenergymeasure.core.energy_backends.curves import PowerCurve, closed_form
from llenergymeasure.core.energy_backends.recording import load_recording
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.exceptions import EnergyBackendError


class ReplayBackend:
    """Joules of a recorded or closed-form power curve; product code, and a known truth for tests.

    Args:
        options: Which curve, and how its domain is called.
        clock: Nanoseconds that the windows are timed with.
    """

    def __init__(self, options: ReplayConfig, clock: MonotonicClock = time.monotonic_ns) -> None:
        self._options = options
        self._timer = WindowTimer(clock)
        self._curve: PowerCurve | None = None
        self._zero_ns: int | None = None

    def prepare(self) -> None:
        """Load the curve.

        Raises:
            EnergyBackendError: The recording cannot be read or is malformed (file and line).
        """
        options = self._options
        if options.curve is not None:
            self._curve = closed_form(options.curve)
        else:
            assert options.path is not None, "the options demand a path or a curve"
            self._curve = load_recording(options.path)

    def start(self) -> None:
        """Open a window; the first one fixes t = 0.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if self._curve is None:
            raise EnergyBackendError("the replay source is not prepared: call prepare() first")
        start_ns = self._timer.open()
        if self._zero_ns is None:
            self._zero_ns = start_ns

    def stop(self) -> EnergyReading:
        """Close the window and integrate the curve over it.

        Raises:
            EnergyBackendError: No window is open.
        """
        window = self._timer.close()
        return EnergyReading(
            backend="replay",
            domains=(self._reading(window),),
            replayed=True,
            emissions_reason="replayed joules were not drawn from any grid",
        )

    def _reading(self, window: MeasurementWindow) -> DomainReading:
        assert self._curve is not None, "a window opens only on a prepared source"
        assert self._zero_ns is not None, "the first start() fixed it"
        start_s = (window.start_monotonic_ns - self._zero_ns) / 1e9
        end_s = (window.end_monotonic_ns - self._zero_ns) / 1e9
        gap = self._curve.gap(start_s, end_s)
        return DomainReading(
            name=self._options.domain,
            scope=EnergyScope(self._options.scope),
            method=None if gap else EnergyMethod.INTEGRATED,
            joules=None if gap else self._curve.integral_j(start_s, end_s),
            origin=f"replayed {self._curve.describe()}",
            reason=gap,
            window=window,
        )

    def close(self) -> None:
        """Forget an open window; the curve and its t = 0 stay."""
        self._timer.forget()
