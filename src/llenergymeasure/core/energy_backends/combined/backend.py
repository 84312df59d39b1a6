"""Several energy sources as one: the best for each domain counts, the others check it.

    prepare()   each source set up and read once, very shortly; that settles who reads what
    start()     the source that takes longest to open its window first
    stop()      in reverse, so that the windows nearly coincide

Each domain keeps the window of its own source.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from llenergymeasure.core.energy_backends.base import (
    AdjustableSampling,
    SamplingEnergyBackend,
    TemperatureSource,
)
from llenergymeasure.core.energy_backends.combined.ownership import Leniency, Ownership, settle
from llenergymeasure.core.energy_backends.combined.part import Part
from llenergymeasure.core.energy_backends.combined.reading import assemble_reading
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.domain.energy import EnergyReading, domain_kind
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import EnergyBackendError


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
        claims = [part.prepare() for part in self._parts]
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
        for part in self._starting:
            part.start()
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the windows and put together what they held.

        Raises:
            EnergyBackendError: No window is open.
        """
        self._timer.close()
        assert self._ownership is not None, "a window opens only on prepared sources"
        told = {part.name: part.stop() for part in reversed(self._starting)}
        return assemble_reading(
            {part.name: told[part.name] for part in self._parts}, self._ownership
        )

    def close(self) -> None:
        """Release every source; forgets an open window."""
        self._timer.forget()
        self._ownership = None
        for part in self._parts:
            part.close()

    def sample_every(self, interval_s: float) -> None:
        """Tell every source that can be told how often to take samples, in s."""
        for part in self._parts:
            if isinstance(part.backend, AdjustableSampling):
                part.backend.sample_every(interval_s)

    def samples(self) -> Sequence[SampleSeries]:
        """What was sampled of each device and quantity, by the first source that did."""
        found: dict[tuple[str, str], SampleSeries] = {}
        for part in self._parts:
            if isinstance(part.backend, SamplingEnergyBackend):
                for series in part.backend.samples():
                    if self._may_speak(part, series.device):
                        found.setdefault((series.device, series.quantity), series)
        return tuple(found.values())

    def temperatures_c(self) -> Mapping[str, float]:
        """Degrees Celsius now, by domain name, of all sources that read any."""
        found: dict[str, float] = {}
        for part in self._parts:
            if isinstance(part.backend, TemperatureSource):
                for name, degrees in part.backend.temperatures_c().items():
                    if self._may_speak(part, name):
                        found.setdefault(name, degrees)
        return found

    def _may_speak(self, part: Part, domain: str) -> bool:
        """Names of devices are the owner's: another source may number them differently."""
        shown_by = self._ownership.shown_by(domain_kind(domain)) if self._ownership else None
        return shown_by in (None, part.name)
