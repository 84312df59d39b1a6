"""NVIDIA's management library: which GPUs are to be measured, and reading them.

The only file of the source that talks to the binding. Its errors become ``LibraryMissingError``
(for the library) and ``SensorError`` (for a device).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llenergymeasure.core.energy_backends.gpu.absent import LibraryMissingError
from llenergymeasure.core.energy_backends.gpu.track import SensorError
from llenergymeasure.core.energy_backends.nvml.calls import Calls, Read
from llenergymeasure.core.energy_backends.nvml.cuda_visible import (
    Chosen,
    KnownGpu,
    find_named_gpus,
    visible_gpus,
)
from llenergymeasure.core.energy_backends.nvml.state import DeviceState

INSTANT = "NVML_FI_DEV_POWER_INSTANT"
USAGE = "nvmlDeviceGetPowerUsage"

_AVERAGED_NS = 1_000_000_000
# GA100 is the one Ampere chip whose power usage is momentary.
_GA100 = ("A100", "A30", "A800", "PG506", "PG509")


LOST = KnownGpu(uuid="", name="lost GPU", pci_id="")


class Nvml:
    """An initialised library; ``close`` gives it back.

    Raises:
        LibraryMissingError: No binding, no driver, or a driver that does not answer.
    """

    def __init__(self) -> None:
        try:
            import pynvml  # type: ignore[import-untyped]
        except ImportError as error:
            raise LibraryMissingError(
                "the Python package nvidia-ml-py is not installed", broken=True
            ) from error
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            absent = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
            broken = error.value not in absent
            words = "NVIDIA's driver does not answer" if broken else "there is no NVIDIA driver"
            raise LibraryMissingError(f"{words} ({error})", broken=broken) from error
        self._pynvml: Any = pynvml

    def devices(
        self, names: Sequence[str] | None, env: Mapping[str, str] = os.environ
    ) -> list[NvmlDevice]:
        """The GPUs with these names; without names those that a CUDA program would see.

        Raises:
            EnergyBackendError: A name fits no GPU, or the order of GPUs is not known.
            LibraryMissingError: The driver fails while it is asked.
        """
        try:
            count = self._pynvml.nvmlDeviceGetCount()
        except self._pynvml.NVMLError as error:
            raise LibraryMissingError(
                f"the GPUs cannot be listed ({error})", broken=True
            ) from error
        handles = [self._handle(index) for index in range(count)]
        gpus = [self._identify(handle) for handle in handles]
        chosen = (
            visible_gpus(gpus, env, self._parent_of)
            if names is None
            else find_named_gpus(names, gpus, self._parent_of)
        )
        return [
            NvmlDevice(self._pynvml, handles[one.position], gpus[one.position], one)
            for one in chosen
        ]

    def close(self) -> None:
        """Give the library back."""
        with contextlib.suppress(self._pynvml.NVMLError):
            self._pynvml.nvmlShutdown()

    def _handle(self, index: int) -> Any:
        """A GPU's handle; None for one that has fallen off the bus, which keeps its place."""
        try:
            return self._pynvml.nvmlDeviceGetHandleByIndex(index)
        except self._pynvml.NVMLError:
            return None

    def _identify(self, handle: Any) -> KnownGpu:
        nvml = self._pynvml
        if handle is None:
            return LOST
        return KnownGpu(
            uuid=self._ask_fact(nvml.nvmlDeviceGetUUID, handle) or LOST.uuid,
            name=self._ask_fact(nvml.nvmlDeviceGetName, handle) or LOST.name,
            pci_id=self._ask_fact(lambda gpu: nvml.nvmlDeviceGetPciInfo(gpu).busId, handle)
            or LOST.pci_id,
        )

    def _ask_fact(self, ask: Callable[[Any], Any], handle: Any) -> str | None:
        """What a GPU says of itself; one thing that it does not say leaves the others."""
        try:
            return _text(ask(handle))
        except self._pynvml.NVMLError:
            return None

    def _parent_of(self, mig: str) -> str | None:
        nvml = self._pynvml
        try:
            piece = nvml.nvmlDeviceGetHandleByUUID(mig)
            parent = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(piece)
            return _text(nvml.nvmlDeviceGetUUID(parent))
        except nvml.NVMLError:
            return None


class NvmlDevice:
    """One GPU.

    Attributes:
        uuid: Of the whole GPU, also where a MIG slice was named; empty for a lost one.
        name: As the driver calls it.
        index: Place in the order of the PCI bus.
        sliced: It is divided into MIG slices: its joules are those of all of them.
        power_source: Where power is read; None where it cannot be.
        power_averaging_ns: Length of the average that this source shows.
        has_counter: It counts energy.
        lost: Why it cannot be read at all; None where it can.
    """

    def __init__(self, pynvml: Any, handle: Any, gpu: KnownGpu, chosen: Chosen) -> None:
        self._pynvml = pynvml
        self._handle = handle
        self.uuid, self.name, self.index = gpu.uuid, gpu.name, chosen.position
        self.lost: str | None = None
        self.sliced = chosen.mig is not None or self._mig_is_on()
        calls = Calls(pynvml, handle)
        counter = "nvmlDeviceGetTotalEnergyConsumption"
        self._counter = calls.number(counter, kind=ctypes.c_ulonglong)
        self.has_counter = self._works(self._counter)
        self._power: Read | None = None
        self.power_source: str | None = None
        self.power_averaging_ns = 0
        self._choose_power(calls)

    def counter_mj(self) -> int:
        """Energy since the driver was loaded, in mJ.

        Raises:
            SensorError: It cannot be read.
        """
        return self._read(self._counter)

    def power_mw(self) -> int:
        """Power in mW, from ``power_source``.

        Raises:
            SensorError: It cannot be read.
        """
        return self._read(self._power)

    def state(self) -> DeviceState:
        """What it can tell beside energy and power, found out now."""
        return DeviceState(self._pynvml, self._handle if self.lost is None else None)

    def _choose_power(self, calls: Calls) -> None:
        nvml = self._pynvml
        instant = calls.field(nvml.NVML_FI_DEV_POWER_INSTANT, nvml.NVML_POWER_SCOPE_GPU)
        usage = calls.number(USAGE)
        if self._works(instant):
            self._power, self.power_source = instant, INSTANT
        elif self._works(usage):
            self._power, self.power_source = usage, USAGE
            self.power_averaging_ns = 0 if self._usage_is_momentary() else _AVERAGED_NS

    def _usage_is_momentary(self) -> bool:
        try:
            architecture = self._ask(self._pynvml.nvmlDeviceGetArchitecture)
        except SensorError:
            return False
        momentary: bool = architecture < self._pynvml.NVML_DEVICE_ARCH_AMPERE
        return momentary or any(mark in self.name.split() for mark in _GA100)

    def _mig_is_on(self) -> bool:
        try:
            current, _ = self._ask(self._pynvml.nvmlDeviceGetMigMode)
        except SensorError:
            return False
        return bool(current == self._pynvml.NVML_DEVICE_MIG_ENABLE)

    def _works(self, read: Read | None) -> bool:
        try:
            self._read(read)
        except SensorError as error:
            self.lost = str(error) if error.lost else self.lost
            return False
        return True

    def _read(self, read: Read | None) -> int:
        if self._handle is None:
            raise SensorError("the GPU is lost", lost=True)
        if read is None:
            raise SensorError("the driver lacks the function", lost=False)
        try:
            return read()  # type: ignore[no-any-return]
        except self._pynvml.NVMLError as error:
            raise self._translate_errors(error) from error

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._handle is None:
            raise SensorError("the GPU is lost", lost=True)
        try:
            return function(self._handle, *arguments)
        except self._pynvml.NVMLError as error:
            raise self._translate_errors(error) from error

    def _translate_errors(self, error: Any) -> SensorError:
        nvml = self._pynvml
        gone = (
            nvml.NVML_ERROR_GPU_IS_LOST,
            nvml.NVML_ERROR_NOT_FOUND,
            nvml.NVML_ERROR_RESET_REQUIRED,
            nvml.NVML_ERROR_UNINITIALIZED,
        )
        return SensorError(str(error), lost=error.value in gone)


def _text(value: Any) -> str:
    # Old bindings answer in bytes.
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
