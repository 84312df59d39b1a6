"""Replayed energy: the exact integral of a known power curve over the window's own time.

P(t)      ________
         |        |        t = 0 at the first start()
  _______|        |____    joules = integral of P over [start, stop]
  ^start        ^stop

Later windows go on from there, on the same clock. Samples of the curve are kept as a sensor's
would be, at the times at which one would have read it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate, pairwise

from llenergymeasure.config.backend_configs import ReplayConfig
from llenergymeasure.core.energy_backends.replay.curves import PowerCurve, make_curve
from llenergymeasure.core.energy_backends.replay.recording import load_recording
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import EnergyBackendError

_SAMPLE_INTERVAL_NS = 100_000_000


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
        self._interval_ns = _SAMPLE_INTERVAL_NS
        self._last: MeasurementWindow | None = None

    def sample_every(self, interval_s: float) -> None:
        """Take samples of the curve so often, in s."""
        self._interval_ns = max(1, round(interval_s * 1e9))

    def prepare(self) -> None:
        """Load the curve.

        Raises:
            EnergyBackendError: The recording cannot be read or is malformed (file and line).
        """
        options = self._options
        if options.curve is not None:
            self._curve = make_curve(options.curve)
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
        self._last = window = self._timer.close()
        return EnergyReading(
            backend="replay",
            domains=(self._reading(window),),
            replayed=True,
            emissions_reason="replayed joules were not drawn from any grid",
        )

    def _reading(self, window: MeasurementWindow) -> DomainReading:
        assert self._curve is not None, "a window opens only on a prepared source"
        start_s, end_s = self._t_s(window.start_monotonic_ns), self._t_s(window.end_monotonic_ns)
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

    def samples(self) -> Sequence[SampleSeries]:
        """Power and energy of the last closed window, from its start to its end."""
        window, curve = self._last, self._curve
        if window is None or curve is None:
            return ()
        start_ns, end_ns = window.start_monotonic_ns, window.end_monotonic_ns
        start_s = self._t_s(start_ns)
        times_ns = [
            at_ns
            for at_ns in (*range(start_ns, end_ns, self._interval_ns), end_ns)
            if curve.gap(start_s, self._t_s(at_ns)) is None
        ]
        times_s = [self._t_s(at_ns) for at_ns in times_ns]
        steps_j = (curve.integral_j(*step) for step in pairwise([start_s, *times_s]))
        columns = {
            "power_w": [curve.power_w(t_s) for t_s in times_s],
            "energy_j": list(accumulate(steps_j)),
        }
        return tuple(
            SampleSeries(self._options.domain, quantity, times_ns, values)
            for quantity, values in columns.items()
            if times_ns
        )

    def close(self) -> None:
        """Forget an open window; the curve and its t = 0 stay."""
        self._timer.forget()

    def _t_s(self, at_ns: int) -> float:
        assert self._zero_ns is not None, "the first start() fixed it"
        return (at_ns - self._zero_ns) / 1e9
