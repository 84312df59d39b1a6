"""One source of several: whatever it raises becomes domains without a number."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.ownership import Claim
from llenergymeasure.domain.energy import DomainReading, EnergyReading, EnergyScope, domain_kind
from llenergymeasure.exceptions import LLEnergyMeasureError

logger = logging.getLogger(__name__)


class Part:
    """A source that does not raise.

    Args:
        name: Of the source.
        backend: The source, not yet prepared.
        scope: What its readings cover.
        kinds: What it reads, for the case that it cannot be set up.
    """

    def __init__(
        self,
        name: str,
        backend: EnergyBackend,
        scope: EnergyScope = EnergyScope.MACHINE,
        kinds: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.backend = backend
        self.start_ns = 0
        self._scope = scope
        self._kinds = tuple(kinds)
        self._seen: tuple[DomainReading, ...] = ()
        self._setup_failure: str | None = None
        self._start_failure: str | None = None

    def prepare(self) -> Claim:
        """Set the source up and look at what it reads, in a window as short as can be.

        ``start_ns`` is then how long it took to open that window.
        """
        self._seen, self._setup_failure = (), None
        try:
            self.backend.prepare()
        except Exception as error:  # noqa: BLE001 - told with every reading
            self._setup_failure = self._told("cannot be set up", error)
            return Claim(self.name, self._without_numbers(self._setup_failure), failed=True)
        begin_ns = time.monotonic_ns()
        self.start()
        self.start_ns = time.monotonic_ns() - begin_ns
        reading = self.stop()
        self._seen = reading.domains
        return Claim(self.name, reading)

    def start(self) -> None:
        """Open a window."""
        self._start_failure = self._setup_failure
        if self._start_failure is not None:
            return
        try:
            self.backend.start()
        except Exception as error:  # noqa: BLE001 - told with the reading
            self._start_failure = self._told("failed to start", error)

    def stop(self) -> EnergyReading:
        """Close the window; without numbers where anything failed in it."""
        if self._start_failure is not None:
            return self._without_numbers(self._start_failure)
        try:
            reading = self.backend.stop()
        except Exception as error:  # noqa: BLE001 - told with the reading
            return self._without_numbers(self._told("failed to stop", error))
        return reading.model_copy(update={"domains": self._complete(reading.domains)})

    def close(self) -> None:
        """Release the source."""
        try:
            self.backend.close()
        except Exception:
            logger.exception("energy source %s failed to close", self.name)

    def _complete(self, domains: tuple[DomainReading, ...]) -> tuple[DomainReading, ...]:
        """The domains, with those that were there when the source was set up and are not now."""
        here = {(domain.name, domain.device_id) for domain in domains}
        lost = [d for d in self._seen if d.expected and (d.name, d.device_id) not in here]
        # What could be read then is expected now.
        there = {(d.name, d.device_id) for d in self._seen if d.expected}
        kept = [
            d.model_copy(update={"expected": True}) if (d.name, d.device_id) in there else d
            for d in domains
        ]
        return (*kept, *(_missing(d, "there was no reading") for d in lost))

    def _without_numbers(self, reason: str) -> EnergyReading:
        return EnergyReading(
            backend=self.name,
            domains=tuple(_missing(domain, reason) for domain in self._seen or self._unseen()),
            emissions_reason=reason,
        )

    def _unseen(self) -> list[DomainReading]:
        kinds = self._kinds or (domain_kind(self.name),)
        return [
            DomainReading(name=kind, scope=self._scope, method=None, joules=None, reason="unread")
            for kind in kinds
        ]

    def _told(self, what: str, error: Exception) -> str:
        logger.warning("energy source %s %s", self.name, what, exc_info=error)
        if not isinstance(error, LLEnergyMeasureError):
            return f"{self.name} {what}: {type(error).__name__}: {error}"
        hint = f" ({error.hint})" if error.hint else ""
        return f"{self.name} {what}: {error.message}{hint}"


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
