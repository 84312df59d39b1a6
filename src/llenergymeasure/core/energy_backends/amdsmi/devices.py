"""AMD's management library: which GPUs are to be measured, and reading them.

The only file of the source that talks to the binding. Its errors become ``LibraryMissingError``
(for the library) and ``SensorError`` (for a device).
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llenergymeasure.core.energy_backends.amdsmi.hip_visible import (
    KnownAmdGpu,
    find_named_amd_gpus,
    visible_amd_gpus,
)
from llenergymeasure.core.energy_backends.gpu.absent import LibraryMissingError
from llenergymeasure.core.energy_backends.gpu.track import SensorError

# Where current power is not told, the other is: a GPU has one of the two.
_POWERS = ("current_socket_power", "average_socket_power", "socket_power")
# What the binding does not translate: "not available" in 16 and 32 bits.
_NOT_AVAILABLE = (0xFFFF, 0xFFFFFFFF)
# Each product of this name is two GPUs, of which only the first has a sensor, for both.
_TWO_DIES = "MI250"


class AmdSmi:
    """An initialised library; ``close`` gives it back.

    Raises:
        LibraryMissingError: No binding, no library, no driver, or one that does not answer.
    """

    def __init__(self) -> None:
        self._smi: Any = _import_binding()
        try:
            self._smi.amdsmi_init(self._smi.AmdSmiInitFlags.INIT_AMD_GPUS)
        except self._smi.AmdSmiLibraryException as error:
            absent = _codes(self._smi, "DRIVER_NOT_LOADED", "NO_DRV", "NOT_FOUND")
            broken = error.get_error_code() not in absent
            words = "AMD's driver does not answer" if broken else "there is no AMD driver"
            raise LibraryMissingError(f"{words} ({_words(error)})", broken=broken) from error

    def devices(
        self, names: Sequence[str] | None, env: Mapping[str, str] = os.environ
    ) -> list[AmdDevice]:
        """The GPUs with these names; without names those that a HIP program would see.

        Raises:
            EnergyBackendError: A name fits no GPU, or the order of GPUs is not known.
            LibraryMissingError: The driver fails while it is asked.
        """
        try:
            handles = self._smi.amdsmi_get_processor_handles()
        except self._smi.AmdSmiException as error:
            words = f"the GPUs cannot be listed ({_words(error)})"
            raise LibraryMissingError(words, broken=True) from error
        gpus = [self._identify(handle) for handle in handles]
        places = visible_amd_gpus(gpus, env) if names is None else find_named_amd_gpus(gpus, names)
        return [AmdDevice(self._smi, handles[place], gpus[place], place) for place in places]

    def close(self) -> None:
        """Give the library back."""
        with contextlib.suppress(self._smi.AmdSmiException):
            self._smi.amdsmi_shut_down()

    def _identify(self, handle: Any) -> KnownAmdGpu:
        ids = self._ask_fact("amdsmi_get_gpu_enumeration_info", handle) or {}
        hip_id = ids.get("hip_id")
        asic = self._ask_fact("amdsmi_get_gpu_asic_info", handle) or {}
        return KnownAmdGpu(
            uuid=self._ask_fact("amdsmi_get_gpu_device_uuid", handle) or "",
            name=str(asic.get("market_name", "AMD GPU")),
            bdf=self._ask_fact("amdsmi_get_gpu_device_bdf", handle) or "",
            hip_id=hip_id if isinstance(hip_id, int) else None,
            hip_uuid=str(ids.get("hip_uuid", "")),
        )

    def _ask_fact(self, function: str, handle: Any) -> Any:
        """A fact; None if it cannot be told, or an older binding does not have it."""
        call: Callable[[Any], Any] | None = getattr(self._smi, function, None)
        try:
            return call(handle) if call is not None else None
        except self._smi.AmdSmiException:
            return None


class AmdDevice:
    """One GPU.

    Attributes:
        uuid: Empty where the driver does not tell.
        name: Of the product.
        index: Place in AMD SMI's list.
        power_source: Where power is read; None where it cannot be.
        power_averaging_ns: 0: the firmware's own averaging is not documented.
        has_counter: It counts energy.
        silent: Its sensors read 0, which no GPU draws.
        lost: Why it cannot be read at all; None where it can.
    """

    def __init__(self, smi: Any, handle: Any, gpu: KnownAmdGpu, index: int) -> None:
        self._smi = smi
        self._handle = handle
        self.uuid, self.name, self.index = gpu.uuid, gpu.name, index
        self.lost: str | None = None
        self.power_averaging_ns = 0
        counter = self._try(self.counter_mj)
        power = self._try(self._power)
        self.silent = not counter and (power is None or power[1] == 0) and self.lost is None
        self.has_counter = counter is not None and not self.silent
        self.power_source = power[0] if power is not None and not self.silent else None

    @property
    def die_of(self) -> int | None:
        """Index of the GPU that reads this one's energy with its own; None where it is its own."""
        return self.index - 1 if self._is_die and self.index % 2 == 1 and self.silent else None

    @property
    def reads_two(self) -> bool:
        """Whether its joules are those of the next GPU too."""
        return self._is_die and self.index % 2 == 0

    def counter_mj(self) -> int:
        """Energy since the driver was loaded, in mJ.

        Raises:
            SensorError: It cannot be read.
        """
        told = self._ask(self._smi.amdsmi_get_energy_count)
        # Called "power" before ROCm 6.2.1.
        ticks = told.get("energy_accumulator", told.get("power"))
        resolution_uj = told.get("counter_resolution")
        if not _is_number(ticks) or not _is_number(resolution_uj):
            raise SensorError("the energy counter is not available", lost=False)
        return int(ticks * resolution_uj / 1e3)

    def power_mw(self) -> int:
        """Power in mW, from ``power_source``.

        Raises:
            SensorError: It cannot be read.
        """
        return int(self._power()[1] * 1000)

    def temperature_c(self) -> float | None:
        """Degrees Celsius; None without a sensor."""
        kinds, current = self._smi.AmdSmiTemperatureType, self._smi.AmdSmiTemperatureMetric.CURRENT
        for kind in (kinds.HOTSPOT, kinds.EDGE):
            with contextlib.suppress(SensorError):
                return float(self._ask(self._smi.amdsmi_get_temp_metric, kind, current))
        return None

    def _power(self) -> tuple[str, float]:
        told = self._ask(self._smi.amdsmi_get_power_info)
        for key in _POWERS:
            if _is_number(told.get(key)):
                return f"amdsmi_get_power_info: {key}", float(told[key])
        raise SensorError("power is not available", lost=False)

    @property
    def _is_die(self) -> bool:
        return _TWO_DIES in self.name

    def _try(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except SensorError as error:
            self.lost = str(error) if error.lost else self.lost
            return None

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(self._handle, *arguments)
        except self._smi.AmdSmiLibraryException as error:
            gone = _codes(self._smi, "NOT_FOUND", "NOT_INIT", "DRIVER_NOT_LOADED", "DRM_ERROR")
            raise SensorError(_words(error), lost=error.get_error_code() in gone) from error
        except self._smi.AmdSmiException as error:
            raise SensorError(_words(error), lost=False) from error


def _import_binding() -> Any:
    try:
        # It prints where it does not find its library, and fails in its own ways.
        with contextlib.redirect_stdout(io.StringIO()):
            import amdsmi
    except ImportError as error:
        words = "the Python package amdsmi is not installed"
        raise LibraryMissingError(words, broken=True) from error
    except (OSError, KeyError) as error:
        words = "ROCm's library libamd_smi.so is not here"
        raise LibraryMissingError(words, broken=False) from error
    except AttributeError as error:
        words = f"the Python package amdsmi is not of this ROCm's version ({error})"
        raise LibraryMissingError(words, broken=True) from error
    return amdsmi


def _codes(smi: Any, *names: str) -> set[int]:
    """The library's numbers of these states; older versions lack some."""
    found = (getattr(smi.amdsmi_wrapper, f"AMDSMI_STATUS_{name}", None) for name in names)
    return {code for code in found if code is not None}


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value not in _NOT_AVAILABLE


def _words(error: Exception) -> str:
    """An error in one line."""
    return " ".join(str(error).split())
