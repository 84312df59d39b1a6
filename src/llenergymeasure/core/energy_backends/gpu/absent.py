"""How a reading of any maker's GPUs is timed, and what is said where there is no GPU."""

from __future__ import annotations

from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack
from llenergymeasure.core.energy_backends.window_timer import past_window
from llenergymeasure.domain.energy import DomainReading, EnergyScope, MeasurementWindow
from llenergymeasure.domain.validity import Reason, ReasonCode


class LibraryMissingError(Exception):
    """A maker's library cannot be used here.

    Attributes:
        broken: True if there should be GPUs: the driver is there, but cannot be talked to.
    """

    def __init__(self, message: str, *, broken: bool) -> None:
        super().__init__(message)
        self.broken = broken


def window_of(track: DeviceTrack) -> MeasurementWindow:
    """A device's own window, which opened at its own counter's step."""
    return past_window(track.start_ns, track.end_ns)


def no_gpu(source: str, code: ReasonCode, detail: str, *, expected: bool) -> DomainReading:
    """What is said where there is no GPU.

    Args:
        source: Name of the energy backend.
        code: Why.
        detail: The same in words.
        expected: There should be one, so that a total without it is no total.
    """
    return DomainReading(
        name="gpu",
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        expected=expected,
        reason=detail,
        findings=(Reason(code=code, detail=detail),),
        source=source,
    )
