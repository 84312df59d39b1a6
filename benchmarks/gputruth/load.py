"""What the GPU does while it is measured: torch drives a real one, curves play it on the stand-in.

Every way to make load is a context that yields the name of the device to read. The experiments
are the same for both.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gputruth.driver import Driver, intruder


@dataclass
class Pulsing:
    """A load in pulses.

    Attributes:
        device: To be read.
        busy_share: Share of the time at work; known once the load has ended.
    """

    device: str
    busy_share: float | None = None


@dataclass(frozen=True)
class Worked:
    """When work began and ended, CLOCK_MONOTONIC in s."""

    begin_s: float
    end_s: float


class Load(Protocol):
    """What can be asked of the GPU (``case`` numbers the settings of one experiment)."""

    def steady(self, device: str) -> contextlib.AbstractContextManager[str]:
        """Some work without pause, in which power changes all the time."""
        ...

    def level(self, name: str) -> contextlib.AbstractContextManager[str]:
        """Idle, with nothing, a context, or a model's memory on the device."""
        ...

    def pulses(
        self, case: int, period_s: float, duty: float, anchor_s: float
    ) -> contextlib.AbstractContextManager[Pulsing]:
        """Work for ``duty`` of every period, counted from ``anchor_s``."""
        ...

    def work(self, seconds: float, times: int) -> Worked:
        """So much work as takes ``seconds``, ``times`` over; returns when it is done."""
        ...

    def joined(self, seconds: float) -> contextlib.AbstractContextManager[str]:
        """Somebody else computes on the device for part of the time."""
        ...


LEVELS = ("bare", "context", "loaded")
PULSE_PERIOD_S = 0.137
SWEEP_PERIOD_S = 0.1
SWEEP_DUTY = 0.25


class TorchLoad:
    """Matrix products on a real GPU, in a process of their own.

    Args:
        device: As NVML names it; the driver's process sees only this one.
        torch_device: ``cuda``, or ``cpu`` to try the driver out.
    """

    def __init__(self, device: str, torch_device: str = "cuda") -> None:
        self._device = device
        self._torch_device = torch_device
        self._driver: Driver | None = None
        self._unit: tuple[float, int] | None = None

    def close(self) -> None:
        if self._driver is not None:
            self._driver.close()

    @contextlib.contextmanager
    def steady(self, device: str) -> Iterator[str]:  # noqa: ARG002 - there is one device
        # Uneven pulses, so that no register can keep a value by chance.
        with self._run(do="pulses", period_s=0.0373, on_s=0.021, anchor_s=0.0):
            yield self._device

    @contextlib.contextmanager
    def level(self, name: str) -> Iterator[str]:
        if name == "bare":
            assert self._driver is None, "a context is there already"
            yield self._device
            return
        self._started().ask(do=name)
        yield self._device

    @contextlib.contextmanager
    def pulses(
        self,
        case: int,  # noqa: ARG002
        period_s: float,
        duty: float,
        anchor_s: float,
    ) -> Iterator[Pulsing]:
        pulsing = Pulsing(self._device)
        on_s = duty * period_s
        with self._run(do="pulses", period_s=period_s, on_s=on_s, anchor_s=anchor_s) as told:
            yield pulsing
        pulsing.busy_share = told["busy_share"]

    def work(self, seconds: float, times: int) -> Worked:
        driver = self._started()
        if self._unit is None or self._unit[0] != seconds:
            self._unit = (seconds, driver.ask(do="fit", seconds=seconds)["products"])
        told = driver.ask(do="work", products=self._unit[1] * times)
        return Worked(told["begin_s"], told["end_s"])

    @contextlib.contextmanager
    def joined(self, seconds: float) -> Iterator[str]:
        with intruder(self._device, self._torch_device, after_s=seconds / 3, for_s=seconds / 3):
            yield self._device

    def _started(self) -> Driver:
        if self._driver is None:
            self._driver = Driver(self._device, self._torch_device)
            self._driver.ask(do="context")
        return self._driver

    @contextlib.contextmanager
    def _run(self, **command: object) -> Iterator[dict[str, float]]:
        driver = self._started()
        driver.say(**command)
        told: dict[str, float] = {}
        try:
            yield told
        finally:
            told.update(driver.ask(do="stop"))


class Unloaded:
    """A real GPU that is left alone; what needs a load is skipped before it comes here."""

    def __init__(self, device: str) -> None:
        self._device = device

    def close(self) -> None:
        pass

    @contextlib.contextmanager
    def steady(self, device: str) -> Iterator[str]:
        yield device

    @contextlib.contextmanager
    def level(self, name: str) -> Iterator[str]:  # noqa: ARG002 - bare is the only one
        yield self._device


class CurveLoad:
    """The stand-in's curves, fixed before the start: it is enough to read the right GPU.

    ``gpus`` below says which there are.
    """

    def close(self) -> None:
        pass

    @contextlib.contextmanager
    def steady(self, device: str) -> Iterator[str]:
        yield device

    @contextlib.contextmanager
    def level(self, name: str) -> Iterator[str]:
        yield str(LEVELS.index(name))

    @contextlib.contextmanager
    def pulses(
        self,
        case: int,
        period_s: float,  # noqa: ARG002
        duty: float,
        anchor_s: float,  # noqa: ARG002
    ) -> Iterator[Pulsing]:
        yield Pulsing(str(case), busy_share=duty)

    def work(self, seconds: float, times: int) -> Worked:
        begin_s = time.monotonic()
        time.sleep(seconds * times)
        return Worked(begin_s, time.monotonic())

    @contextlib.contextmanager
    def joined(self, seconds: float) -> Iterator[str]:  # noqa: ARG002 - a key of the curve
        yield "1"
