"""CodeCarbon, offline and through its public API only.

    prepare()   tracker made, one task thrown away      (1.5 to 2 s, in a thread)
    start()     start_task | window opens
    stop()      window closes | stop_task               (each about 1 ms)

Nothing is written to the user's folders, and no ``.codecarbon.config`` or ``CODECARBON_*``
variable of the user changes a reading: every setting that matters is given explicitly.
"""

from __future__ import annotations

import logging
import threading
import time
from importlib import metadata
from typing import Any

from llenergymeasure.config.backend_configs import CodeCarbonConfig
from llenergymeasure.core.energy_backends.codecarbon.domains import MachineSources, missing
from llenergymeasure.core.energy_backends.codecarbon.emissions import emissions
from llenergymeasure.core.energy_backends.codecarbon.rapl_access import look_for_rapl
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.core.machine.nvml_facts import nvml_gpus
from llenergymeasure.core.quiet import without_prints
from llenergymeasure.deadline import StuckError
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.exceptions import EnergyBackendError

logger = logging.getLogger(__name__)

# What CodeCarbon would otherwise take from the user's files and variables. An empty token keeps
# it from asking a web service; output_methods=[] keeps it from writing.
_SETTINGS: dict[str, Any] = {
    "allow_multiple_runs": True,
    "cloud_provider": None,
    "cloud_region": None,
    "country_2letter_iso_code": None,
    "electricitymaps_api_token": "",
    "emissions_endpoint": None,
    "force_carbon_intensity_g_co2e_kwh": None,
    "force_cpu_power": None,
    "force_mode_cpu_load": False,
    "force_ram_power": None,
    "gpu_ids": None,
    "log_level": "warning",
    "logger_preamble": "",
    "measure_power_secs": 15.0,
    "output_dir": ".",
    "output_handlers": [],
    "output_methods": [],
    "pue": 1.0,
    "rapl_include_dram": False,
    "rapl_prefer_psys": False,
    "region": None,
    "tracking_mode": "machine",
    "wue": 0.0,
}


class _IntoOurLog(logging.Filter):
    """Keeps CodeCarbon's messages off the terminal and puts its warnings into our log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            logger.debug("CodeCarbon: %s", record.getMessage())
        return False


_QUIET = _IntoOurLog()


class CodeCarbonBackend:
    """The joules of this machine as CodeCarbon counts or estimates them.

    Args:
        options: The ``energy.codecarbon`` section.
        clock: Nanoseconds that the windows are timed with.
    """

    def __init__(
        self, options: CodeCarbonConfig, clock: MonotonicClock = time.monotonic_ns
    ) -> None:
        self._options = options
        self._timer = WindowTimer(clock)
        self._version = ""
        self._tracker: Any = None
        self._sources: MachineSources | None = None
        self._task = 0
        self._start_failure: str | None = None

    def prepare(self) -> None:
        """Make the tracker and throw one task away: the first one is slow.

        Raises:
            EnergyBackendError: CodeCarbon does not work here.
        """
        try:
            self._version = metadata.version("codecarbon")
            self._tracker = _new_tracker(self._options.country_iso_code)
            self._tracker.start_task("priming")
            primed = self._tracker.stop_task("priming")
            hardware = self._tracker.get_detected_hardware()
        except Exception as error:
            self.close()
            raise EnergyBackendError(
                f"CodeCarbon cannot be set up: {type(error).__name__}: {error}",
                hint="set energy.backend to none to measure without energy",
            ) from error
        if primed is None:
            self.close()
            raise EnergyBackendError(
                "CodeCarbon was set up, but its first task gave no reading",
                hint="run with -v to see its warnings, or set energy.backend to none",
            )
        try:
            gpus = nvml_gpus()
        except StuckError:
            self.close()
            raise
        self._sources = MachineSources(
            version=self._version, hardware=hardware, rapl=look_for_rapl(), gpus=gpus
        )

    def start(self) -> None:
        """Start a task; the window opens when it runs.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if self._sources is None:
            raise EnergyBackendError("CodeCarbon is not prepared: call prepare() first")
        self._timer.require_closed()
        self._task += 1
        self._start_failure = None
        try:
            self._tracker.start_task(self._task_name)
        except Exception as error:  # noqa: BLE001 - told with the reading, not raised
            self._start_failure = f"CodeCarbon failed to start: {type(error).__name__}: {error}"
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the window, then stop the task and translate what it says.

        Raises:
            EnergyBackendError: No window is open.
        """
        window = self._timer.close()
        assert self._sources is not None, "a window opens only on a prepared source"
        data, failure = self._stop_task()
        if failure is not None:
            domains = tuple(missing(name, failure, window) for name in self._sources.names)
        else:
            domains = self._sources.readings(data, window, look_for_rapl())
        kg_co2, reason = emissions(data, domains, self._options.country_iso_code)
        return EnergyReading(
            backend="codecarbon",
            version=self._version,
            domains=domains,
            emissions_kg_co2=kg_co2,
            emissions_reason=reason,
        )

    @property
    def _task_name(self) -> str:
        return f"window-{self._task}"

    def _stop_task(self) -> tuple[Any, str | None]:
        """CodeCarbon's data of the window, or why there is none."""
        try:
            data = self._tracker.stop_task(self._task_name)
        except Exception as error:  # noqa: BLE001 - told with the reading, not raised
            stop_failure = f"CodeCarbon failed to stop: {type(error).__name__}: {error}"
            return None, self._start_failure or stop_failure
        if self._start_failure is not None:
            return None, self._start_failure
        if data is None:
            return None, "CodeCarbon gave no reading for the window"
        return data, None

    def close(self) -> None:
        """End CodeCarbon's threads; forgets an open window."""
        tracker, self._tracker, self._sources = self._tracker, None, None
        self._timer.forget()
        if tracker is not None:
            tracker.stop()
            _await_cancelled_timers()


def _new_tracker(country_iso_code: str | None) -> Any:
    # On the logger before the import: importing already logs, and resets the level.
    logging.getLogger("codecarbon").addFilter(_QUIET)
    # It imports AMD's binding, which prints where ROCm is not installed.
    with without_prints():
        from codecarbon import OfflineEmissionsTracker

        return OfflineEmissionsTracker(country_iso_code=country_iso_code, **_SETTINGS)


def _await_cancelled_timers() -> None:
    # stop() cancels CodeCarbon's timer, whose thread then still needs a moment to end.
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and thread.finished.is_set():
            thread.join(timeout=1.0)
