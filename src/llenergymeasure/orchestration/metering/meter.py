"""Measuring the energy of any block of code.

with EnergyMeter() as meter:
    work()
meter.energy.total_j, meter.energy.headline, meter.validity.status
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from llenergymeasure.config.energy_choice import AUTO
from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.supervised import (
    samples_of,
    start_supervised,
    stop_supervised,
)
from llenergymeasure.core.machine.load import LoadMeter, contention_reason
from llenergymeasure.domain.brief import Brief, tell_joules
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.domain.environment import LoadSample, MachineLoad
from llenergymeasure.domain.metrics import EnergyMetrics
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.validity import Reason, Validity, judge
from llenergymeasure.exceptions import EnergyBackendError
from llenergymeasure.orchestration.factory import create_energy_source
from llenergymeasure.orchestration.measuring.priming import EnergyPriming
from llenergymeasure.orchestration.measuring.reasons import window_reasons
from llenergymeasure.results.sums.energy import reading_metrics
from llenergymeasure.results.sums.reasons import reading_reasons


class EnergyMeter(Brief):
    """Reads an energy source around a block of code.

    Each meter has a source of its own, so meters may nest and overlap. One meter can measure
    several windows one after another, closed in between or not; ``reading`` is that of the last.
    A source that cannot be set up does not raise: its reading has no number and says why.

    An estimate follows this process and all that descends from it. A daemon that forks twice leaves
    the tree before it is seen; ``lem measure`` finds it, or this process can ask for its orphans
    (``PR_SET_CHILD_SUBREAPER``) and wait for them.

    Args:
        backend: As in ``energy.backend``: the name of an energy backend (see ``lem backends``), a
            list of names, best first, or ``auto``, the best for each domain.
        options: Options of the backend, as in its config section; of several, or of ``auto``, a
            mapping of each one's name to its options.
        gpus: Which GPUs to measure (index, UUID, PCI bus id), of all that the backends see.
        interval_ms: Time between two readings, for every backend that has one.

    Raises:
        UnknownBackendError: No such energy backend.
        ConfigurationError: The options are wrong, or no backend can be told them.
        BackendError: What a named backend needs is not installed.
    """

    def __init__(
        self,
        backend: str | Sequence[str] = AUTO,
        options: Mapping[str, Any] | None = None,
        *,
        gpus: Sequence[str] | None = None,
        interval_ms: float | None = None,
    ) -> None:
        self._new_source = functools.partial(
            create_energy_source, backend, options or {}, gpus=gpus, interval_ms=interval_ms
        )
        self._running = False
        self._priming: EnergyPriming | None = None
        self._source: EnergyBackend | None = None
        self._ensure_primed()
        self._reading: EnergyReading | None = None
        self._load: LoadSample | None = None
        self._contention: Reason | None = None

    def start(self) -> None:
        """Open a window; the first time this waits until the source is ready.

        Raises:
            EnergyBackendError: A window of this meter is open already.
            EnergyDevicesError: A GPU that was named is not there.
        """
        if self._running:
            raise EnergyBackendError(
                "this EnergyMeter is running already", hint="use a second EnergyMeter to nest"
            )
        priming = self._priming or self._ensure_primed()
        self._load_meter = LoadMeter()
        self._source = start_supervised(priming.ready(), self._name)
        self._running = True

    def stop(self) -> EnergyReading:
        """Close the window.

        Raises:
            EnergyBackendError: No window is open.
        """
        if not self._running:
            raise EnergyBackendError("this EnergyMeter is not running", hint="call start() first")
        self._running = False
        assert self._source is not None, "only a started meter is running"
        self._reading = stop_supervised(self._source, self._name)
        self._load = self._load_meter.sample()
        # Now: whoever runs when the reasons are read need not have run meanwhile.
        self._contention = contention_reason(MachineLoad(during=self._load))
        return self._reading

    def close(self) -> None:
        """Release the source. Idempotent; an open window is lost, and ``start`` sets it up anew."""
        self._running = False
        priming, self._priming = self._priming, None
        if priming is not None:
            priming.close()

    @property
    def reading(self) -> EnergyReading:
        """What the last window held.

        Raises:
            EnergyBackendError: No window has been closed yet.
        """
        if self._reading is None:
            raise EnergyBackendError("this EnergyMeter has measured nothing yet")
        return self._reading

    @property
    def load(self) -> LoadSample | None:
        """CPU use of this process tree and of all others meanwhile; None before any window."""
        return self._load

    @property
    def samples(self) -> tuple[SampleSeries, ...]:
        """What was sampled within the last window; empty where the source keeps none."""
        return samples_of(self._source) if self._source is not None else ()

    @property
    def energy(self) -> EnergyMetrics:
        """The last window's joules: total, estimated share, boundary, domains."""
        return reading_metrics(self.reading)

    @property
    def validity(self) -> Validity:
        """The verdict on the last window."""
        return judge(self.reasons)

    @property
    def reasons(self) -> list[Reason]:
        """What speaks against the last window."""
        return [
            *window_reasons(self.reading),
            *([self._contention] if self._contention else []),
            *reading_reasons(self.energy, self.reading),
        ]

    def _brief(self) -> dict[str, str]:
        told = {"backend": self._name}
        if self._running:
            return told | {"state": "measuring"}
        if self._reading is None:
            return told | {"state": "has measured nothing yet"}
        energy = self.energy
        domains = {d.name: d.tell(replayed=energy.replayed) for d in energy.domains}
        total = tell_joules(energy.total_j, energy.uncertainty_j, energy.origin)
        return told | {"total": total, **domains, "verdict": self.validity.status.value}

    def _ensure_primed(self) -> EnergyPriming:
        self._name, source = self._new_source()
        self._priming = EnergyPriming(source, self._name)
        return self._priming

    def __enter__(self) -> EnergyMeter:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self.close()
