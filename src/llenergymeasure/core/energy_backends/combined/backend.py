"""Several energy sources as one: the best for each domain counts, the others check it.

    prepare()   each source set up and read once, very shortly; that settles who reads what
    start()     the source that takes longest to open its window first
    stop()      in reverse, so that the windows nearly coincide

Each domain keeps the window of its own source. Each source has its own time limits, and one that
is slow or hangs does not keep the others waiting for long: they are asked meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from llenergymeasure.core.energy_backends.base import AdjustableSampling
from llenergymeasure.core.energy_backends.combined.ownership import Leniency, Ownership, settle
from llenergymeasure.core.energy_backends.combined.part import Part
from llenergymeasure.core.energy_backends.combined.reading import assemble_reading
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.deadline import Call
from llenergymeasure.domain.energy import EnergyReading, domain_kind
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import EnergyBackendError

T = TypeVar("T")


class CompositeBackend:
    """What several sources say together.

    Args:
        parts: The sources, best first.
        leniency: What a source may be passed over for.
        clock: Nanoseconds that tell whether a window is open.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        leniency: Leniency = Leniency(),  # noqa: B008 - frozen
        clock: MonotonicClock = time.monotonic_ns,
    ) -> None:
        self._parts = tuple(parts)
        self._leniency = leniency
        self._timer = WindowTimer(clock)
        self._ownership: Ownership | None = None
        self._starting: list[Part] = []

    def prepare(self) -> None:
        """Set up every source and settle who reads what; one that fails does not fail the rest.

        Raises:
            EnergyDevicesError: A device that the user names for a source is not there.
        """
        claims = _ask_each(self._parts, Part.prepare)
        self._ownership = settle(claims, self._leniency)
        # To the millisecond: sources that are equally quick keep their order.
        self._starting = sorted(self._parts, key=lambda part: -(part.start_ns // 1_000_000))

    def start(self) -> None:
        """Open a window of each source.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if self._ownership is None:
            raise EnergyBackendError("the energy sources are not prepared: call prepare() first")
        self._timer.require_closed()
        _ask_each(self._starting, Part.start)
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the windows and put together what they held.

        Raises:
            EnergyBackendError: No window is open.
        """
        self._timer.close()
        assert self._ownership is not None, "a window opens only on prepared sources"
        stopping = self._starting[::-1]
        readings = _ask_each(stopping, Part.stop)
        told = {part.name: reading for part, reading in zip(stopping, readings, strict=True)}
        return assemble_reading(
            {part.name: told[part.name] for part in self._parts}, self._ownership
        )

    def close(self) -> None:
        """Release every source; forgets an open window."""
        self._timer.forget()
        self._ownership = None
        _ask_each(self._parts, Part.close, at_once=True)

    def sample_every(self, interval_s: float) -> None:
        """Tell every source that can be told how often to take samples, in s."""
        for part in self._parts:
            if isinstance(part.backend, AdjustableSampling):
                part.backend.sample_every(interval_s)

    def samples(self) -> Sequence[SampleSeries]:
        """What was sampled of each device and quantity, by the first source that did."""
        found: dict[tuple[str, str], SampleSeries] = {}
        told = _ask_each(self._parts, Part.samples, at_once=True)
        for part, sampled in zip(self._parts, told, strict=True):
            for series in sampled:
                if self._may_speak(part, series.device):
                    found.setdefault((series.device, series.quantity), series)
        return tuple(found.values())

    def temperatures_c(self) -> Mapping[str, float]:
        """Degrees Celsius now, by domain name, of all sources that read any."""
        found: dict[str, float] = {}
        told = _ask_each(self._parts, Part.temperatures_c, at_once=True)
        for part, temperatures in zip(self._parts, told, strict=True):
            for name, degrees in temperatures.items():
                if self._may_speak(part, name):
                    found.setdefault(name, degrees)
        return found

    def _may_speak(self, part: Part, domain: str) -> bool:
        """Names of devices are the owner's: another source may number them differently."""
        shown_by = self._ownership.shown_by(domain_kind(domain)) if self._ownership else None
        return shown_by in (None, part.name)


def _ask_each(parts: Sequence[Part], ask: Callable[[Part], T], *, at_once: bool = False) -> list[T]:
    """What each says, in their order; they are asked one after another while each answers soon.

    Args:
        parts: The sources.
        ask: What to ask; it has a time limit of its own.
        at_once: Ask all of them together, since nothing depends on the order.

    Raises:
        Exception: What the first of them raised, after all of them came back.
    """
    calls = []
    for part in parts:
        call = Call(partial(ask, part), f"lem-{part.name}")
        if not at_once:
            call.wait(part.limits.patience_s)
        calls.append(call)
    for call in calls:
        call.wait()
    return [call.result() for call in calls]
