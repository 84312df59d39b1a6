"""Idle power by the run's own energy source: nobody asks anything of the device meanwhile.

    probe      a very short window: which domains are measured at all
    look       a tenth of the idle time: is what was stored still true
    | part | part | part | part | part |     else windows back to back: mean and spread

Each domain's power is its joules over the length of its own windows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from llenergymeasure.config.run_models import BaselineConfig
from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.supervised import start_supervised, stop_supervised
from llenergymeasure.core.idle.cache import BaselineCache, IdleSubject, StoredIdle
from llenergymeasure.core.idle.power import (
    disturbances,
    idle_power,
    same_domain,
    still_true,
    unsteadiness,
    why_not,
)
from llenergymeasure.core.machine.load import LoadMeter
from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod, DomainBaseline
from llenergymeasure.domain.energy import DomainReading, EnergyReading, domain_kind
from llenergymeasure.domain.environment import MachineLoad

logger = logging.getLogger(__name__)

PARTS: Final = 5
PROBE_S: Final = 0.02
LOOK_S: Final = 2.0
LOOK_SHARE: Final = 0.1

_SOURCE: Final = "the energy source"


class IdleMeter:
    """Measures the idle power of an energy source's domains, or takes it from the cache.

    Args:
        energy: The source, prepared.
        options: The config's ``baseline`` section.
        engine: Name of the inference backend.
        cache: Where idle powers are stored.
        parent_pid: The watching process, whose CPU use counts as ours.
        sleep: Waits so many seconds; a virtual one in tests.
    """

    def __init__(
        self,
        energy: EnergyBackend,
        options: BaselineConfig,
        *,
        engine: str,
        cache: BaselineCache,
        parent_pid: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._energy = energy
        self._options = options
        self._level = BaselineLevel(options.level)
        self._engine = engine
        self._cache = cache
        self._parent_pid = parent_pid
        self._sleep = sleep
        self._probed: EnergyReading | None = None

    def measurable(self) -> bool:
        """Whether any domain is measured here; takes one very short window to find out."""
        probe = self._probe()
        return any(d.joules is not None and why_not(d, probe) is None for d in self._domains())

    def without_measuring(
        self, why: str = "nothing is measured here"
    ) -> tuple[DomainBaseline, ...]:
        """What is said of each domain where no idle time is spent.

        Args:
            why: Why domains that are measured have no idle power either.
        """
        return tuple(self._without(domain, domain.reason or why) for domain in self._domains())

    def take(
        self, model: str | None = None, on_fresh: Callable[[], None] = lambda: None
    ) -> tuple[DomainBaseline, ...]:
        """The idle power of each domain: the stored ones if they are still true, else new ones.

        Args:
            model: What is loaded, at the level ``loaded``.
            on_fresh: Called before time is spent on new ones.
        """
        stored = self._look_up_stored(model)
        if stored is not None:
            return stored
        on_fresh()
        return self._fresh(model)

    def _probe(self) -> EnergyReading:
        if self._probed is None:
            self._probed = self._window(PROBE_S)
        return self._probed

    def _window(self, seconds: float) -> EnergyReading:
        energy = start_supervised(self._energy, _SOURCE)
        self._sleep(seconds)
        return stop_supervised(energy, _SOURCE)

    def _domains(self) -> list[DomainReading]:
        """The domains that count and are here, as the probe saw them."""
        there = (d for d in self._probe().domains if d.expected or d.joules is not None)
        return [domain for domain in there if domain.counted]

    def _look_up_stored(self, model: str | None) -> tuple[DomainBaseline, ...] | None:
        """What the cache has of all domains, if a short look agrees with it."""
        probe, ttl_s = self._probe(), self._options.cache_ttl_s
        stored: dict[str, StoredIdle] = {}
        for domain in self._domains():
            if why_not(domain, probe) is None:
                found = self._cache.get(self._subject(domain, probe, model), ttl_s)
                if found is None:
                    return None
                stored[domain.name] = found
        look = self._window(max(LOOK_S, LOOK_SHARE * self._options.duration_s))
        baselines = [self._look(d, stored.get(d.name), look) for d in self._domains()]
        whole = tuple(baseline for baseline in baselines if baseline is not None)
        return whole if len(whole) == len(baselines) else None

    def _look(
        self, domain: DomainReading, stored: StoredIdle | None, look: EnergyReading
    ) -> DomainBaseline | None:
        """The stored idle power; None if it is no longer true."""
        if stored is None:
            return self._without(domain, "")
        seen = idle_power(domain, [look])
        if isinstance(seen, str) or not still_true(stored.power_w, stored.spread_w, seen.power_w):
            logger.info("idle power of %s has changed: it is measured anew", domain.name)
            return None
        return self._baseline(
            domain,
            BaselineMethod.CACHED,
            power_w=stored.power_w,
            spread_w=stored.spread_w,
            uncertainty_w=stored.uncertainty_w + abs(seen.power_w - stored.power_w),
            duration_s=stored.duration_s,
            samples=stored.samples,
            measured_at=stored.measured_at,
            age_s=self._cache.age_s(stored),
            findings=tuple(unsteadiness(domain.name, stored.power_w, stored.spread_w)),
        )

    def _fresh(self, model: str | None) -> tuple[DomainBaseline, ...]:
        measured_at = datetime.now(UTC)
        meter = LoadMeter(parent_pid=self._parent_pid)
        readings = [self._window(self._options.duration_s / PARTS) for _ in range(PARTS)]
        load = MachineLoad(during=meter.sample())
        baselines = []
        for domain in self._domains():
            idle = idle_power(domain, readings)
            if isinstance(idle, str):
                baselines.append(self._without(domain, idle))
                continue
            disturbed = tuple(disturbances(domain, readings, load))
            baseline = self._baseline(
                domain,
                BaselineMethod.FRESH,
                power_w=idle.power_w,
                spread_w=idle.spread_w,
                uncertainty_w=idle.uncertainty_w,
                duration_s=idle.duration_s,
                samples=idle.samples,
                measured_at=measured_at,
                findings=(*disturbed, *unsteadiness(domain.name, idle.power_w, idle.spread_w)),
            )
            baselines.append(baseline)
            if not disturbed:
                last = same_domain(domain, readings[-1]) or domain
                self._cache.put(self._subject(last, readings[-1], model), baseline)
        return tuple(baselines)

    def _without(self, domain: DomainReading, reason: str) -> DomainBaseline:
        not_applicable = why_not(domain, self._probe())
        method = BaselineMethod.NOT_APPLICABLE if not_applicable else BaselineMethod.UNAVAILABLE
        return self._baseline(domain, method, reason=not_applicable or reason)

    def _baseline(
        self, domain: DomainReading, method: BaselineMethod, **more: Any
    ) -> DomainBaseline:
        return DomainBaseline(
            name=domain.name,
            level=self._level,
            method=method,
            device_id=domain.device_id,
            source=domain.source or self._probe().backend,
            **more,
        )

    def _subject(
        self, domain: DomainReading, reading: EnergyReading, model: str | None
    ) -> IdleSubject:
        bare = self._level is BaselineLevel.BARE
        return IdleSubject(
            level=self._level,
            domain=domain.name if domain.device_id is None else domain_kind(domain.name),
            device_id=domain.device_id,
            source=domain.source or reading.backend,
            method=str(domain.method),
            engine=None if bare else self._engine,
            model=model,
        )
