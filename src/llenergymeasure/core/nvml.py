"""What NVIDIA's management library says of the GPUs here. Absence is an empty answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NvmlGpu:
    """One GPU.

    Attributes:
        name: As the driver calls it.
        counts_energy: It has an energy counter that can be read.
    """

    name: str
    counts_energy: bool


def nvml_gpus() -> tuple[NvmlGpu, ...]:
    """All GPUs of the machine in NVML's order; empty without a driver, a GPU or the binding."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        return tuple(_gpu(pynvml, handle) for handle in handles)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _gpu(pynvml: Any, handle: Any) -> NvmlGpu:
    name = pynvml.nvmlDeviceGetName(handle)
    try:
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        counts_energy = False
    else:
        counts_energy = True
    # Old bindings answer in bytes.
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return NvmlGpu(name=text, counts_energy=counts_energy)
