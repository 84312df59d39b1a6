"""An energy source that says what a test wants, for tests of several sources together."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
)
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.exceptions import EnergyBackendError


def counted(name: str, joules: float, device_id: str | None = None, **more: Any) -> DomainReading:
    """A domain with a number from a counter."""
    return DomainReading(
        name=name,
        scope=EnergyScope.DEVICE if device_id else EnergyScope.MACHINE,
        method=EnergyMethod.COUNTER,
        joules=joules,
        device_id=device_id,
        origin="a counter",
        **more,
    )


def estimated(name: str, joules: float) -> DomainReading:
    """A domain with a number from a model."""
    update = {"method": EnergyMethod.ESTIMATED, "origin": "a model"}
    return counted(name, joules).model_copy(update=update)


def faulty(name: str, code: ReasonCode, device_id: str | None = None) -> DomainReading:
    """A domain that should have a number and has none."""
    return DomainReading(
        name=name,
        scope=EnergyScope.DEVICE if device_id else EnergyScope.MACHINE,
        method=None,
        joules=None,
        device_id=device_id,
        reason=f"{name} has {code}",
        findings=(Reason(code=code, detail=f"{name}: {code}, run this"),),
    )


def absent(name: str, code: ReasonCode) -> DomainReading:
    """A domain that this machine does not have."""
    return faulty(name, code).model_copy(update={"expected": False})


def clock_of(virtual: VirtualTime | None) -> MonotonicClock:
    return time.monotonic_ns if virtual is None else virtual.now_ns


class VirtualTime:
    """A clock that only ``pass_ns`` moves."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    def pass_ns(self, nanoseconds: int) -> None:
        self._now_ns += nanoseconds


class Scripted:
    """A source with these domains.

    Args:
        domains: What each window says; a callable is asked for each window.
        fails: Method -> error that it raises.
        calls: Where each call is written down, as ``(name, method)``.
        hangs: Methods that come back only when ``let_go`` is set.
        takes_ns: How long ``start`` takes, by ``time``.
        time: Its clock, and what ``takes_ns`` moves; None takes the machine's.
        version, kg_co2, replayed: As in a reading.
    """

    def __init__(
        self,
        name: str,
        *domains: DomainReading,
        fails: Mapping[str, Exception] | None = None,
        calls: list[tuple[str, str]] | None = None,
        hangs: Sequence[str] = (),
        takes_ns: int = 0,
        time: VirtualTime | None = None,
        version: str | None = None,
        kg_co2: float | None = None,
        replayed: bool = False,
    ) -> None:
        self.name = name
        self.domains = domains
        self.fails = dict(fails or {})
        self.calls = [] if calls is None else calls
        self.hangs = tuple(hangs)
        self.let_go = threading.Event()
        self.closed = threading.Event()
        self._takes_ns, self._time = takes_ns, time
        self._more = {"version": version, "emissions_kg_co2": kg_co2, "replayed": replayed}
        self._timer = WindowTimer(clock_of(time))
        self._ready = False
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def prepare(self) -> None:
        self._called("prepare")
        self._end.clear()
        self._thread = threading.Thread(target=self._end.wait)
        self._thread.start()
        self._ready = True

    def start(self) -> None:
        self._called("start")
        if not self._ready:
            raise EnergyBackendError("not prepared")
        if self._time is not None:
            self._time.pass_ns(self._takes_ns)
        self._timer.open()

    def stop(self) -> EnergyReading:
        self._called("stop")
        window = self._timer.close()
        reading: dict[str, Any] = dict(self._more)
        if reading["emissions_kg_co2"] is None:
            reading["emissions_reason"] = f"{self.name} knows no grid"
        domains = tuple(d.model_copy(update={"window": window}) for d in self.domains)
        return EnergyReading(backend=self.name, domains=domains, **reading)

    def close(self) -> None:
        self._called("close")
        self._timer.forget()
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        self._thread, self._ready = None, False
        self.closed.set()

    def _called(self, method: str) -> None:
        self.calls.append((self.name, method))
        if method in self.hangs:
            self.let_go.wait()
        if method in self.fails:
            raise self.fails[method]


class ScriptedWithSensors(Scripted):
    """One that also samples and has thermometers."""

    interval_s: float | None = None

    def sample_every(self, interval_s: float) -> None:
        self.interval_s = interval_s

    def samples(self) -> Sequence[SampleSeries]:
        self._called("samples")
        return [SampleSeries(d.name, "power_w", [1, 2], [3.0, 4.0]) for d in self.domains]

    def temperatures_c(self) -> Mapping[str, float]:
        self._called("temperatures_c")
        return {domain.name: 40.0 for domain in self.domains}
