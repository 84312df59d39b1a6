"""The GPUs of this machine: what they are, and how their energy can be measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from llenergymeasure.core.gpu_info import gpu_inventory, visible_indices
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import DomainReading, EnergyReading
from llenergymeasure.domain.hardware import GpuDetails, GpuInventory
from llenergymeasure.domain.resolution import Resolution, resolution_of
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.orchestration.factory import create_energy_source
from llenergymeasure.orchestration.machine.energy_probe import probe_source

SOURCE = "nvml"


@dataclass(frozen=True)
class MeasurableGpu:
    """One GPU.

    Attributes:
        visible: Whether a CUDA program with this environment may use it; None if that is not
            clear.
        energy: A short reading of it; None where none could be tried.
        conditions: How it fared meanwhile.
        resolution: What its sensor resolves in time.
    """

    details: GpuDetails
    visible: bool | None
    energy: DomainReading | None = None
    conditions: DeviceConditions | None = None
    resolution: Resolution = field(default_factory=Resolution)


@dataclass(frozen=True)
class GpuReport:
    """All GPUs.

    Attributes:
        problem: Why none of them could be measured.
    """

    driver: str | None
    cuda: str | None
    gpus: tuple[MeasurableGpu, ...] = ()
    problem: str | None = None


def look_at_gpus() -> GpuReport:
    """Look at every GPU, also at one that CUDA may not use, and measure each for a moment."""
    inventory = gpu_inventory()
    # A driver that hung would hang again.
    reading, problem = (None, inventory.problem) if inventory.problem else _measure(inventory)
    visible = visible_indices(inventory)
    return GpuReport(
        driver=inventory.driver,
        cuda=inventory.cuda,
        gpus=tuple(
            _describe_gpu(gpu, None if visible is None else gpu.index in visible, reading)
            for gpu in inventory.gpus
        ),
        problem=problem,
    )


def _measure(inventory: GpuInventory) -> tuple[EnergyReading | None, str | None]:
    names = [gpu.uuid or str(gpu.index) for gpu in inventory.gpus]
    options = {"devices": names} if names else {}
    try:
        reading = probe_source(lambda: create_energy_source(SOURCE, options)[1], SOURCE)
    except LLEnergyMeasureError as error:
        return None, error.message
    # Without a list of GPUs the source tells a driver that is broken from one that is not there.
    absent = [domain.reason for domain in reading.domains if not names and domain.expected]
    return reading, next(iter(absent), None)


def _describe_gpu(
    gpu: GpuDetails, visible: bool | None, reading: EnergyReading | None
) -> MeasurableGpu:
    if reading is None:
        return MeasurableGpu(gpu, visible)
    name = f"gpu:{gpu.index}"
    energy = next((domain for domain in reading.domains if domain.name == name), None)
    conditions = next((one for one in reading.conditions if one.device == name), None)
    resolution = Resolution() if energy is None else resolution_of(energy)
    return MeasurableGpu(gpu, visible, energy, conditions, resolution)
