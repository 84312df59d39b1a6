"""No energy source: on purpose, or because one could not be set up or failed."""

from __future__ import annotations

import time

from llenergymeasure.config.backend_spec import BackendOptions
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)


class NoEnergyBackend:
    """``energy.backend: none``: no domains, so joules are null by choice."""

    def __init__(
        self,
        options: BackendOptions | None = None,  # noqa: ARG002 - it has none; the factory's form
        clock: MonotonicClock = time.monotonic_ns,
    ) -> None:
        self._timer = WindowTimer(clock)

    def prepare(self) -> None:
        """Nothing to set up."""

    def start(self) -> None:
        """Open a window."""
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the window; there is nothing in it."""
        self._timer.close()
        return EnergyReading(backend="none", emissions_reason="energy measurement is off")

    def close(self) -> None:
        """Forget an open window."""
        self._timer.forget()


class UnavailableEnergyBackend:
    """Stands in for a source that could not be set up: expected joules, null, and the reason.

    Args:
        name: Of the energy backend that failed.
        reason: Why, in words.
    """

    def __init__(self, name: str, reason: str, clock: MonotonicClock = time.monotonic_ns) -> None:
        self._name = name
        self._reason = reason
        self._timer = WindowTimer(clock)

    def prepare(self) -> None:
        """Nothing to set up."""

    def start(self) -> None:
        """Open a window."""
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the window and say why it holds no joules."""
        return without_number(self._name, self._reason, self._timer.close())

    def close(self) -> None:
        """Forget an open window."""
        self._timer.forget()


def without_number(
    name: str, reason: str, window: MeasurementWindow | None = None
) -> EnergyReading:
    """A reading of a source that should have had a number, and why it has none."""
    missing = DomainReading(
        name="energy",
        scope=EnergyScope.MACHINE,
        method=None,
        joules=None,
        reason=reason,
        window=window,
    )
    return EnergyReading(backend=name, domains=(missing,), emissions_reason="no energy was read")
