"""One source of several: whatever it raises becomes domains without a number."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.combined.ownership import Claim
from llenergymeasure.core.energy_backends.impossible import describe_error, refuse_impossible
from llenergymeasure.core.energy_backends.supervised import (
    close_supervised,
    give_up,
    samples_of,
    temperatures_of,
)
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock
from llenergymeasure.deadline import StuckError, within
from llenergymeasure.domain.energy import DomainReading, EnergyReading, EnergyScope, domain_kind
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import EnergyDevicesError, LLEnergyMeasureError

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How long one source of several may take, in s.

    Attributes:
        prepare_s: To be set up. Drivers that were not loaded yet take their time.
        window_s: To open a window, or to close one.
        between_s: To give its samples or temperatures, or to close.
        patience_s: Before the next one is asked as well, while this one still works on it.
    """

    prepare_s: float = 30.0
    window_s: float = 10.0
    between_s: float = 4.0
    patience_s: float = 2.0


class Part:
    """A source that neither raises nor hangs.

    Args:
        name: Of the source.
        backend: The source, not yet prepared.
        scope: What its readings cover.
        kinds: What it reads, for the case that it cannot be set up.
        limits: How long it may take.
        clock: Nanoseconds by which ``start_ns`` is taken.
    """

    def __init__(
        self,
        name: str,
        backend: EnergyBackend,
        scope: EnergyScope = EnergyScope.MACHINE,
        kinds: Sequence[str] = (),
        limits: Limits = Limits(),
        clock: MonotonicClock = time.monotonic_ns,
    ) -> None:
        self.name = name
        self.backend = backend
        self.limits = limits
        self.start_ns = 0
        self._clock = clock
        self._scope = scope
        self._kinds = tuple(kinds)
        self._seen: tuple[DomainReading, ...] = ()
        self._failure_for_good: str | None = None
        self._failure: str | None = None

    def prepare(self) -> Claim:
        """Set the source up and look at what it reads, in a window as short as can be.

        ``start_ns`` is then how long it took to open that window. A source that fails in any of
        this is not asked again.

        Raises:
            EnergyDevicesError: A device that the user names for it is not there.
        """
        self._seen, self._failure_for_good = (), None
        try:
            self._call(self.backend.prepare, self.limits.prepare_s)
        except EnergyDevicesError:
            raise
        except Exception as error:  # noqa: BLE001 - told with every reading
            self._failure_for_good = self._note_told("cannot be set up", error)
        begin_ns = self._clock()
        self.start()
        self.start_ns = self._clock() - begin_ns
        reading = self.stop()
        self._failure_for_good = self._failure
        self._seen = reading.domains
        return Claim(self.name, reading, failed=self._failure is not None)

    def start(self) -> None:
        """Open a window."""
        self._failure = self._failure_for_good
        if self._failure is not None:
            return
        try:
            self._call(self.backend.start, self.limits.window_s)
        except Exception as error:  # noqa: BLE001 - told with the reading
            self._failure = self._note_told("failed to start", error)

    def stop(self) -> EnergyReading:
        """Close the window; without numbers where anything failed in it."""
        if self._failure is None:
            try:
                reading = refuse_impossible(self._call(self.backend.stop, self.limits.window_s))
            except Exception as error:  # noqa: BLE001 - told with the reading
                self._failure = self._note_told("failed to stop", error)
            else:
                domains = self._complete(reading.domains)
                return reading.model_copy(update={"domains": domains})
        return self._without_numbers(self._failure)

    def close(self) -> None:
        """Release the source."""
        close_supervised(self.backend, self.name, self.limits.between_s)

    def samples(self) -> Sequence[SampleSeries]:
        """What was sampled within the last window; empty where nothing is, or it cannot be had."""
        return samples_of(self.backend, self.limits.between_s)

    def temperatures_c(self) -> Mapping[str, float]:
        """Degrees Celsius now, by domain name; empty where none can be had."""
        return temperatures_of(self.backend, self.limits.between_s)

    def _call(self, method: Callable[[], T], timeout_s: float) -> T:
        # A window that opens after nobody waits for it any more would go on being sampled.
        return within(method, timeout_s, f"lem-{self.name}", late=self.backend.close)

    def _complete(self, domains: tuple[DomainReading, ...]) -> tuple[DomainReading, ...]:
        """The domains, with those that were expected when the source was set up and are gone."""
        there = {_identity(domain): domain for domain in self._seen if domain.expected}
        # What could be read then is expected now.
        kept = [
            d.model_copy(update={"expected": True}) if _identity(d) in there else d for d in domains
        ]
        here = {_identity(domain) for domain in domains}
        gone = (domain for identity, domain in there.items() if identity not in here)
        return (*kept, *(_missing(domain, "there was no reading") for domain in gone))

    def _without_numbers(self, reason: str) -> EnergyReading:
        return EnergyReading(
            backend=self.name,
            domains=tuple(_missing(domain, reason) for domain in self._seen or self._unseen()),
            emissions_reason=reason,
        )

    def _unseen(self) -> list[DomainReading]:
        kinds = self._kinds or (domain_kind(self.name),)
        return [
            DomainReading(name=kind, scope=self._scope, method=None, joules=None) for kind in kinds
        ]

    def _note_told(self, what: str, error: Exception) -> str:
        told = self._words(what, error)
        if isinstance(error, StuckError):
            # It would hang again, in every window.
            self._failure_for_good = told
            give_up(self.backend)
        return told

    def _words(self, what: str, error: Exception) -> str:
        if isinstance(error, StuckError):
            logger.warning("energy source %s %s: it %s", self.name, what, error.message)
            return f"{self.name} {what}: it {error.message}"
        if isinstance(error, LLEnergyMeasureError):
            logger.info("energy source %s %s: %s", self.name, what, error.message)
            return f"{error.message} ({error.hint})" if error.hint else error.message
        logger.warning("energy source %s %s", self.name, what, exc_info=error)
        return f"{self.name} {what}: {describe_error(error)}"


def _identity(domain: DomainReading) -> tuple[str, str | None]:
    return domain.name, domain.device_id


def _missing(domain: DomainReading, reason: str) -> DomainReading:
    return DomainReading(
        name=domain.name,
        scope=domain.scope,
        method=None,
        joules=None,
        device_id=domain.device_id,
        expected=domain.expected,
        reason=reason if domain.expected else domain.reason,
        findings=() if domain.expected else domain.findings,
        counted=domain.counted,
    )
