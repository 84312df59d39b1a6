"""What a GPU says of its state: load, memory, heat, clocks, limits, processes.

Found out once, when the device is prepared: a quantity that the GPU does not support is left out,
and one that later fails now and then is missing then. Nothing here raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

UTILISATION: Final = ("sm_percent", "memory_percent")
MEMORY_USED: Final = "memory_used_bytes"
TEMPERATURE: Final = "temperature_c"
SM_CLOCK, MEMORY_CLOCK = "sm_clock_mhz", "memory_clock_mhz"
POWER_LIMIT: Final = "power_limit_w"
THROTTLE: Final = "throttle_reasons"

_Row = Callable[[], tuple[float, ...]]


class DeviceState:
    """One GPU's state, asked anew with each call.

    Attributes:
        quantities: What ``read`` gives, in this order.

    Args:
        pynvml: The binding.
        handle: The device; None for a lost one, of which nothing can be told.
    """

    def __init__(self, pynvml: Any, handle: Any) -> None:
        self._error: Any = pynvml.NVMLError
        found = [] if handle is None else list(_quantities(pynvml, handle))
        working = [(names, self._first(ways)) for names, ways in found]
        self._reads = [(len(names), way) for names, way in working if way is not None]
        self.quantities = tuple(n for names, way in working if way is not None for n in names)
        self._temperature = next((w for n, w in working if n == (TEMPERATURE,)), None)
        self._settings = {
            name: way
            for name, ways in ({} if handle is None else _settings(pynvml, handle)).items()
            if (way := self._first(ways)) is not None
        }
        self._pids = None if handle is None else self._first(_process_lists(pynvml, handle))

    def read(self) -> list[float]:
        """All quantities now; NaN for one that cannot be read this time."""
        row: list[float] = []
        for width, read in self._reads:
            try:
                row += read()
            except self._error:
                row += (math.nan,) * width
        return row

    def settings(self) -> dict[str, float]:
        """Clocks that somebody set, in MHz, by their name in words."""
        found = {}
        for name, read in self._settings.items():
            value = self._asked(read)
            if value is not None:
                (found[name],) = value
        return found

    def pids(self) -> tuple[int, ...] | None:
        """Processes that compute on the GPU; None where they cannot be listed."""
        return None if self._pids is None else self._asked(self._pids)

    def temperature_c(self) -> float | None:
        """Degrees Celsius; None without a sensor."""
        value = None if self._temperature is None else self._asked(self._temperature)
        return None if value is None else value[0]

    def _first(self, ways: Sequence[Callable[[], Any] | None]) -> Callable[[], Any] | None:
        """The first way to read something that works here."""
        return next((way for way in ways if way and self._asked(way) is not None), None)

    def _asked(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except self._error:
            return None


def _quantities(nvml: Any, handle: Any) -> Iterator[tuple[tuple[str, ...], list[_Row | None]]]:
    """Each group of quantities with the ways to read it, the newest first.

    A way is None where this version of the binding lacks the function.
    """

    def number(function: str, *arguments: Any, scale: float = 1) -> _Row | None:
        call = getattr(nvml, function, None)
        return None if call is None else lambda: (call(handle, *arguments) / scale,)

    yield UTILISATION, [lambda: _rates(nvml.nvmlDeviceGetUtilizationRates(handle))]
    # The first form has the reserved memory apart, as nvidia-smi shows it.
    yield (
        (MEMORY_USED,),
        [
            lambda: (nvml.nvmlDeviceGetMemoryInfo(handle, nvml.nvmlMemory_v2).used,),
            lambda: (nvml.nvmlDeviceGetMemoryInfo(handle).used,),
        ],
    )
    gpu = nvml.NVML_TEMPERATURE_GPU
    yield (
        (TEMPERATURE,),
        [number("nvmlDeviceGetTemperatureV", gpu), number("nvmlDeviceGetTemperature", gpu)],
    )
    yield (SM_CLOCK,), [number("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)]
    yield (MEMORY_CLOCK,), [number("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM)]
    yield (POWER_LIMIT,), [number("nvmlDeviceGetEnforcedPowerLimit", scale=1e3)]
    yield (
        (THROTTLE,),
        [
            number("nvmlDeviceGetCurrentClocksEventReasons"),
            number("nvmlDeviceGetCurrentClocksThrottleReasons"),
        ],
    )


def _settings(nvml: Any, handle: Any) -> dict[str, list[_Row | None]]:
    """Clocks that are set rather than momentary. NVML cannot tell locked clocks."""

    def mhz(function: str, *arguments: Any) -> _Row | None:
        call = getattr(nvml, function, None)
        return None if call is None else lambda: (call(handle, *arguments),)

    found = {}
    for word, kind in (("SM", nvml.NVML_CLOCK_SM), ("memory", nvml.NVML_CLOCK_MEM)):
        found[f"application clock ({word})"] = [
            mhz("nvmlDeviceGetClock", kind, nvml.NVML_CLOCK_ID_APP_CLOCK_TARGET),
            mhz("nvmlDeviceGetApplicationsClock", kind),
        ]
        found[f"highest boost clock ({word})"] = [
            mhz("nvmlDeviceGetClock", kind, nvml.NVML_CLOCK_ID_CUSTOMER_BOOST_MAX),
            mhz("nvmlDeviceGetMaxCustomerBoostClock", kind),
        ]
    return found


def _process_lists(nvml: Any, handle: Any) -> list[Callable[[], tuple[int, ...]] | None]:
    # With their version: the plain name raises another error under an older driver.
    names = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")
    calls = [getattr(nvml, name, None) for name in names]
    return [None if call is None else _pids_by(call, handle) for call in calls]


def _pids_by(call: Callable[[Any], Any], handle: Any) -> Callable[[], tuple[int, ...]]:
    return lambda: tuple(process.pid for process in call(handle))


def _rates(rates: Any) -> tuple[float, float]:
    return rates.gpu, rates.memory
