"""What a GPU says of its state: load, memory, heat, clocks, limits, processes.

Found out once, when the device is prepared: a quantity that the GPU does not support is left out,
and one that later fails now and then is missing then. Nothing here raises.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from llenergymeasure.core.energy_backends.nvml.calls import Calls, Read

UTILISATION: Final = ("sm_percent", "memory_percent")
MEMORY_USED: Final = "memory_used_bytes"
TEMPERATURE: Final = "temperature_c"
SM_CLOCK, MEMORY_CLOCK = "sm_clock_mhz", "memory_clock_mhz"
POWER_LIMIT: Final = "power_limit_w"
THROTTLE: Final = "throttle_reasons"


class DeviceState:
    """One GPU's state, asked anew with each call; not for several threads at once.

    Attributes:
        quantities: What ``read`` gives, in this order.

    Args:
        pynvml: The binding.
        handle: The device; None for a lost one, of which nothing can be told.
    """

    def __init__(self, pynvml: Any, handle: Any) -> None:
        self._error: Any = pynvml.NVMLError
        calls = None if handle is None else Calls(pynvml, handle)
        self._rates = self._first(_rates(calls, pynvml)) if calls else None
        single = _quantities(calls, pynvml) if calls else {}
        self._single = self._working(single)
        self._settings = self._working(_settings(calls, pynvml)) if calls else {}
        self._pids = self._first(_process_lists(pynvml, handle)) if calls else None
        rates = () if self._rates is None else UTILISATION
        self.quantities: tuple[str, ...] = (*rates, *self._single)

    def read(self) -> list[float]:
        """All quantities now; NaN for one that cannot be read this time."""
        row: list[float] = []
        if self._rates is not None:
            try:
                rates = self._rates()
                row += (rates.gpu, rates.memory)
            except self._error:
                row += (math.nan, math.nan)
        for read in self._single.values():
            try:
                row.append(read())
            except self._error:
                row.append(math.nan)
        return row

    def settings(self) -> dict[str, float]:
        """Clocks that somebody set, in MHz, by their name in words."""
        told = {name: self._ask(read) for name, read in self._settings.items()}
        return {name: value for name, value in told.items() if value is not None}

    def pids(self) -> tuple[int, ...] | None:
        """Processes that compute on the GPU; None where they cannot be listed."""
        return None if self._pids is None else self._ask(self._pids)

    def temperature_c(self) -> float | None:
        """Degrees Celsius; None without a sensor."""
        read = self._single.get(TEMPERATURE)
        value = None if read is None else self._ask(read)
        return None if value is None else float(value)

    def _working(self, ways: Mapping[str, Sequence[Read | None]]) -> dict[str, Read]:
        found = {name: self._first(several) for name, several in ways.items()}
        return {name: read for name, read in found.items() if read is not None}

    def _first(self, ways: Sequence[Read | None]) -> Read | None:
        """The first way to read something that works here."""
        return next((way for way in ways if way and self._ask(way) is not None), None)

    def _ask(self, read: Read) -> Any:
        try:
            return read()
        except self._error:
            return None


def _rates(calls: Calls, nvml: Any) -> list[Read | None]:
    return [calls.struct("nvmlDeviceGetUtilizationRates", nvml.c_nvmlUtilization_t())]


def _quantities(calls: Calls, nvml: Any) -> dict[str, list[Read | None]]:
    """The ways to read each quantity, the best first; None where the driver lacks one."""
    reasons = (
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
    )
    # The second version has the reserved memory apart, as nvidia-smi shows it.
    memory = nvml.c_nvmlMemory_v2_t()
    memory.version = nvml.nvmlMemory_v2
    return {
        MEMORY_USED: [
            _measure_used(calls.struct("nvmlDeviceGetMemoryInfo_v2", memory)),
            _measure_used(calls.struct("nvmlDeviceGetMemoryInfo", nvml.c_nvmlMemory_t())),
        ],
        TEMPERATURE: [
            calls.number("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            _temperature_v1(calls, nvml),
        ],
        SM_CLOCK: [calls.number("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)],
        MEMORY_CLOCK: [calls.number("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM)],
        POWER_LIMIT: [_watts(calls.number("nvmlDeviceGetEnforcedPowerLimit"))],
        THROTTLE: [calls.number(name, kind=ctypes.c_ulonglong) for name in reasons],
    }


def _temperature_v1(calls: Calls, nvml: Any) -> Read | None:
    """The form that outlives the plain one, which is deprecated; older bindings lack it."""
    form = getattr(nvml, "c_nvmlTemperature_v1_t", None)
    if form is None:
        return None
    told = form(version=nvml.nvmlTemperature_v1, sensorType=nvml.NVML_TEMPERATURE_GPU)
    read = calls.struct("nvmlDeviceGetTemperatureV", told)
    return None if read is None else lambda: read().temperature


def _settings(calls: Calls, nvml: Any) -> dict[str, list[Read | None]]:
    """Clocks that are set rather than momentary. NVML cannot tell locked clocks."""
    found = {}
    for word, kind in (("SM", nvml.NVML_CLOCK_SM), ("memory", nvml.NVML_CLOCK_MEM)):
        found[f"application clock ({word})"] = [
            calls.number("nvmlDeviceGetClock", kind, nvml.NVML_CLOCK_ID_APP_CLOCK_TARGET),
            calls.number("nvmlDeviceGetApplicationsClock", kind),
        ]
        found[f"highest boost clock ({word})"] = [
            calls.number("nvmlDeviceGetClock", kind, nvml.NVML_CLOCK_ID_CUSTOMER_BOOST_MAX),
            calls.number("nvmlDeviceGetMaxCustomerBoostClock", kind),
        ]
    return found


def _process_lists(nvml: Any, handle: Any) -> list[Read | None]:
    # With their version: the plain name raises another error under an older driver.
    names = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")
    calls = [getattr(nvml, name, None) for name in names]
    return [None if call is None else _pids_by(call, handle) for call in calls]


def _pids_by(call: Callable[[Any], Any], handle: Any) -> Read:
    return lambda: tuple(process.pid for process in call(handle))


def _measure_used(read: Read | None) -> Read | None:
    return None if read is None else lambda: read().used


def _watts(read: Read | None) -> Read | None:
    return None if read is None else lambda: read() / 1e3
