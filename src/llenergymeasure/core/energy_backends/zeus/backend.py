"""GPUs as Zeus reads them, unaligned and without an interval: a second opinion, not a first.

prepare()   ZeusMonitor made                      (importing it takes 1.5 s, in a thread)
start()     begin_window | window opens
stop()      window closes | end_window
"""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from textwrap import shorten
from typing import Any

from llenergymeasure.config.backend_configs import ZeusConfig
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.core.energy_backends.zeus.gpus import ZeusGpu, gpus_of, no_gpu
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.exceptions import EnergyBackendError, EnergyDevicesError

logger = logging.getLogger(__name__)


class ZeusBackend:
    """The joules of this machine's GPUs as Zeus tells them.

    Args:
        options: The ``energy.zeus`` section.
        clock: Nanoseconds that the windows are timed with.
    """

    def __init__(self, options: ZeusConfig, clock: MonotonicClock = time.monotonic_ns) -> None:
        self._options = options
        self._timer = WindowTimer(clock)
        self._version = ""
        self._monitor: Any = None
        self._gpus: list[ZeusGpu] = []
        self._absent: DomainReading | None = None
        self._windows = 0
        self._start_failure: str | None = None

    def prepare(self) -> None:
        """Make the monitor.

        Raises:
            EnergyBackendError: Zeus does not work here.
            EnergyDevicesError: It has no GPU of an index that was named.
        """
        self.close()
        try:
            self._version = metadata.version("zeus")
            with _quietly():
                self._monitor = _new_monitor(self._options.devices)
            self._gpus = gpus_of(self._monitor)
        except Exception as error:
            self.close()
            if isinstance(error, IndexError) and self._options.devices is not None:
                asked = ", ".join(map(str, self._options.devices))
                raise EnergyDevicesError(
                    f"energy.zeus.devices: Zeus has no GPU of one of these indices: {asked}",
                    hint="they are Zeus' own, from 0, among those that CUDA_VISIBLE_DEVICES shows",
                ) from error
            raise EnergyBackendError(
                f"Zeus cannot be set up: {_words(error)}",
                hint="it reads CUDA_VISIBLE_DEVICES with indices only",
            ) from error
        if not self._gpus:
            self._absent = no_gpu()

    def start(self) -> None:
        """Begin a window of Zeus'.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if self._monitor is None:
            raise EnergyBackendError("Zeus is not prepared: call prepare() first")
        self._timer.require_closed()
        self._windows += 1
        self._start_failure = None
        try:
            with _quietly():
                self._monitor.begin_window(self._key, sync_execution=False)
        except Exception as error:  # noqa: BLE001 - told with the reading, not raised
            self._start_failure = f"Zeus failed to start: {_words(error)}"
        self._timer.open()

    def stop(self) -> EnergyReading:
        """End Zeus' window and translate what it says.

        Raises:
            EnergyBackendError: No window is open.
        """
        window = self._timer.close()
        domains: tuple[DomainReading, ...]
        if self._absent is not None:
            domains = (self._absent.model_copy(update={"window": window}),)
        else:
            joules, failure = self._end_window()
            domains = tuple(self._reading(gpu, joules, failure, window) for gpu in self._gpus)
        return EnergyReading(
            backend="zeus",
            version=self._version,
            domains=domains,
            emissions_reason="Zeus' windows tell energy, not where it comes from",
        )

    def close(self) -> None:
        """End Zeus' processes; forgets an open window."""
        self._timer.forget()
        monitor, self._monitor = self._monitor, None
        self._gpus, self._absent = [], None
        polling = getattr(monitor, "power_monitor", None)
        if polling is not None:
            polling.stop()

    @property
    def _key(self) -> str:
        return f"window-{self._windows}"

    def _end_window(self) -> tuple[dict[int, float], str | None]:
        """Joules by Zeus' index, or why there are none."""
        if self._start_failure is not None:
            return {}, self._start_failure
        try:
            with _quietly():
                measured = self._monitor.end_window(self._key, sync_execution=False)
            return dict(measured.gpu_energy), None
        except Exception as error:  # noqa: BLE001 - told with the reading, not raised
            return {}, f"Zeus failed to stop: {_words(error)}"

    def _reading(
        self, gpu: ZeusGpu, joules: dict[int, float], failure: str | None, window: MeasurementWindow
    ) -> DomainReading:
        value = joules.get(gpu.zeus_index)
        fault = None if failure is None else Reason(code=ReasonCode.SAMPLES_MISSING, detail=failure)
        fault = fault or _what_is_wrong(value)
        how = "energy counter" if gpu.method is EnergyMethod.COUNTER else "power, polled"
        return DomainReading(
            name=gpu.name,
            scope=EnergyScope.DEVICE,
            method=None if fault else gpu.method,
            joules=None if fault else value,
            origin=f"Zeus {self._version}, {how}",
            device_id=gpu.uuid,
            reason=fault.detail if fault else None,
            window=window,
            findings=(fault,) if fault else (),
            source="zeus",
        )


def _new_monitor(devices: tuple[int, ...] | None) -> Any:
    from zeus.monitor import ZeusMonitor

    # Its own reading of the CPU would need root, and fails in windows where a counter wraps.
    return ZeusMonitor(gpu_indices=None if devices is None else list(devices), cpu_indices=[])


def _what_is_wrong(joules: float | None) -> Reason | None:
    if joules is None or not math.isfinite(joules):
        detail = f"Zeus gave {joules} instead of joules"
        return Reason(code=ReasonCode.SAMPLES_MISSING, detail=detail)
    if joules < 0:
        detail = f"Zeus gave {joules:.6g} J: the counter was reset"
        return Reason(code=ReasonCode.COUNTER_RESET, detail=detail)
    if joules == 0:
        detail = "Zeus gave 0 J: the counter did not step, or the sensor cannot be read"
        return Reason(code=ReasonCode.SAMPLES_MISSING, detail=detail)
    return None


def _words(error: Exception) -> str:
    """An error in one line: some of Zeus' have a dozen."""
    return f"{type(error).__name__}: {shorten(str(error), 200, placeholder=' ...')}"


class _IntoOurLog(logging.Handler):
    """Keeps Zeus' messages off the terminal and puts its warnings into our log."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            logger.debug("Zeus: %s", record.getMessage())


_INTO_OUR_LOG = _IntoOurLog()


@contextmanager
def _quietly() -> Iterator[None]:
    theirs = logging.getLogger("zeus")
    theirs.propagate = False
    if _INTO_OUR_LOG not in theirs.handlers:
        theirs.addHandler(_INTO_OUR_LOG)
    # It warns of 0 J, which our reading says itself.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
