"""Which GPUs Zeus reads, under the names that they have elsewhere; and why it finds none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llenergymeasure.core.energy_backends.gpu.absent import LibraryMissingError
from llenergymeasure.core.energy_backends.nvml.devices import Nvml
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyScope
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.exceptions import EnergyBackendError


@dataclass(frozen=True)
class ZeusGpu:
    """One GPU of Zeus'.

    Attributes:
        zeus_index: Among those that Zeus sees.
        name: As the NVML source calls it.
        uuid: None where the driver does not tell.
        method: How Zeus reads it.
    """

    zeus_index: int
    name: str
    uuid: str | None
    method: EnergyMethod


def gpus_of(monitor: Any) -> list[ZeusGpu]:
    """The GPUs of a ``ZeusMonitor``."""
    polling = getattr(monitor, "power_monitor", None)
    polled = set(polling.gpu_indices) if polling is not None else set()
    seen = monitor.gpus.gpus
    uuids = _uuids()
    found = []
    for index in monitor.gpu_indices:
        place = seen[index].gpu_index
        method = EnergyMethod.INTEGRATED if index in polled else EnergyMethod.COUNTER
        found.append(ZeusGpu(index, f"gpu:{place}", uuids.get(place), method))
    return found


def _uuids() -> dict[int, str]:
    """UUIDs of the GPUs by NVML's index; empty without NVML (AMD)."""
    try:
        nvml = Nvml()
    except LibraryMissingError:
        return {}
    try:
        return {gpu.index: gpu.uuid for gpu in nvml.devices(None, env={}) if gpu.uuid}
    except LibraryMissingError:
        return {}
    finally:
        nvml.close()


def no_gpu() -> DomainReading:
    """Zeus says nothing of why it finds none, so NVML is asked whether there should be some."""
    expected, finding = _why_no_gpu()
    return DomainReading(
        name="gpu",
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        expected=expected,
        reason=finding.detail,
        findings=(finding,),
        source="zeus",
    )


def _why_no_gpu() -> tuple[bool, Reason]:
    """Whether there should be one, and what is wrong."""
    try:
        nvml = Nvml()
    except LibraryMissingError as error:
        detail = f"Zeus finds no GPU: {error}"
        return error.broken, Reason(code=ReasonCode.NVML_UNAVAILABLE, detail=detail)
    try:
        visible = bool(nvml.devices(None))
        detail = "Zeus finds no GPU that this process may use"
        if visible:
            detail = "Zeus does not find the GPUs that NVML shows"
    except (LibraryMissingError, EnergyBackendError) as error:
        visible, detail = True, f"Zeus finds no GPU: {error}"
    finally:
        nvml.close()
    return visible, Reason(code=ReasonCode.NO_GPU, detail=detail)
