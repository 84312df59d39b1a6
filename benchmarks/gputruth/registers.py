"""NVML's registers, read directly: what the GPU itself says, without our source in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pynvml

COUNTER, INSTANT, AVERAGE, USAGE = "counter", "power instant", "power average", "power usage"


def device_uuid(name: str) -> str:
    """The UUID of the GPU with this index or UUID."""
    pynvml.nvmlInit()
    handle = (
        pynvml.nvmlDeviceGetHandleByIndex(int(name))
        if name.isdigit()
        else pynvml.nvmlDeviceGetHandleByUUID(name)
    )
    return str(pynvml.nvmlDeviceGetUUID(handle))


def device_index(uuid: str) -> int:
    """The GPU's place in NVML's order."""
    return int(pynvml.nvmlDeviceGetIndex(_handle(uuid)))


def description(name: str) -> dict[str, str]:
    """Device, driver and settings, in words; what cannot be read is left out."""
    handle = _handle(name)
    asked: dict[str, Callable[[], Any]] = {
        "device": lambda: pynvml.nvmlDeviceGetName(handle),
        "driver": pynvml.nvmlSystemGetDriverVersion,
        "CUDA of the driver": lambda: _version(pynvml.nvmlSystemGetCudaDriverVersion_v2()),
        "VBIOS": lambda: pynvml.nvmlDeviceGetVbiosVersion(handle),
        "power limit": lambda: f"{pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3:.0f} W",
        "persistence": lambda: "on" if pynvml.nvmlDeviceGetPersistenceMode(handle) else "off",
        "MIG": lambda: "on" if pynvml.nvmlDeviceGetMigMode(handle)[0] else "off",
    }
    told = {}
    for key, ask in asked.items():
        try:
            told[key] = str(ask())
        except (pynvml.NVMLError, AttributeError):
            continue
    return told


def readers(name: str) -> dict[str, Callable[[], float]]:
    """What can be read of a device: the counter in J, power in W."""
    handle = _handle(name)
    offered: dict[str, Callable[[], float]] = {
        COUNTER: lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3,
        INSTANT: lambda: _field(handle, pynvml.NVML_FI_DEV_POWER_INSTANT),
        AVERAGE: lambda: _field(handle, pynvml.NVML_FI_DEV_POWER_AVERAGE),
        USAGE: lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3,
    }
    return {key: read for key, read in offered.items() if _works(read)}


def changes(read: dict[str, Callable[[], float]], seconds: float) -> dict[str, list[Any]]:
    """When each register was first seen changed, s of CLOCK_MONOTONIC, in a tight loop.

    Each is (time, value), the time in the middle between the two reads.
    """
    seen: dict[str, list[Any]] = {key: [] for key in read}
    last: dict[str, tuple[float, float]] = {}
    until_s = time.monotonic() + seconds
    while (now_s := time.monotonic()) < until_s:
        for key, ask in read.items():
            value = ask()
            if key in last and value != last[key][1]:
                seen[key].append(((last[key][0] + now_s) / 2, value))
            last[key] = (now_s, value)
    return seen


def next_change(read: Callable[[], float], longest_s: float = 2.0) -> tuple[float, float]:
    """The next change of a register: when, and what it shows from then on."""
    before_s, before = time.monotonic(), read()
    give_up_s = before_s + longest_s
    while (now_s := time.monotonic()) < give_up_s:
        value = read()
        if value != before:
            return (before_s + now_s) / 2, value
        before_s = now_s
    raise RuntimeError(f"a register did not change for {longest_s:.0f} s")


class AveragedPower:
    """The mean of the driver's averaged power over a time, read by a thread at 20 Hz."""

    def __init__(self, name: str) -> None:
        offered = readers(name)
        self.source = AVERAGE if AVERAGE in offered else USAGE
        self._read = offered.get(self.source)
        self._watts: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> float | None:
        """Mean power in W; None where there is no such register."""
        self._stop.set()
        self._thread.join(timeout=10)
        return sum(self._watts) / len(self._watts) if self._watts else None

    def _run(self) -> None:
        while self._read is not None:
            self._watts.append(self._read())
            if self._stop.wait(0.05):
                return


def _handle(name: str) -> Any:
    uuid = device_uuid(name)
    return pynvml.nvmlDeviceGetHandleByUUID(uuid)


def _field(handle: Any, field: int) -> float:
    (value,) = pynvml.nvmlDeviceGetFieldValues(handle, [(field, 0)])
    if value.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(value.nvmlReturn)
    return float(value.value.uiVal) / 1e3


def _works(read: Callable[[], float]) -> bool:
    try:
        read()
    except pynvml.NVMLError:
        return False
    return True


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
