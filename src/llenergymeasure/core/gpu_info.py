"""The NVIDIA GPUs of this machine: what they are, how they are set and connected.

Everything is read once and nothing is changed; what a GPU or a driver does not tell is None.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llenergymeasure.core.energy_backends.nvml.cuda_visible import KnownGpu, visible_gpus
from llenergymeasure.core.machine.gpu_links import nvlinks, peers
from llenergymeasure.core.machine.nvml_facts import NvmlSession, ask_nvml
from llenergymeasure.deadline import StuckError
from llenergymeasure.domain.hardware import GpuDetails, GpuInventory, MigInstance
from llenergymeasure.exceptions import EnergyBackendError

# The name of a slice ends in its profile: "NVIDIA H200 MIG 1g.18gb".
_PROFILE = re.compile(r"MIG (\S+)$")


def gpu_inventory(root: Path = Path("/")) -> GpuInventory:
    """All GPUs, whatever CUDA_VISIBLE_DEVICES shows; none without a driver or the binding.

    Args:
        root: Where ``sys`` lies.
    """
    try:
        return ask_nvml(lambda session: _inventory(session, root)) or GpuInventory()
    except StuckError as stuck:
        return GpuInventory(problem=f"NVIDIA's driver {stuck.message}")


def _inventory(session: NvmlSession, root: Path) -> GpuInventory:
    handles = session.handles()
    return GpuInventory(
        driver=session.text("nvmlSystemGetDriverVersion"),
        cuda=_cuda(session),
        gpus=tuple(_gpu(session, handles, index, root) for index in range(len(handles))),
    )


def visible_indices(
    inventory: GpuInventory, env: Mapping[str, str] = os.environ
) -> tuple[int, ...] | None:
    """The GPUs that a CUDA program with this environment may use; None where that is not clear."""
    known = [
        KnownGpu(gpu.uuid or "", gpu.name or "", gpu.pci_bus_id or "") for gpu in inventory.gpus
    ]
    parents = {one.uuid: gpu.uuid for gpu in inventory.gpus for one in gpu.mig_instances}
    try:
        return tuple(one.position for one in visible_gpus(known, env, parents.get))
    except EnergyBackendError:
        return None


def _cuda(session: NvmlSession) -> str | None:
    version = session.ask("nvmlSystemGetCudaDriverVersion_v2")
    return f"{version // 1000}.{version % 1000 // 10}" if version else None


def _gpu(session: NvmlSession, handles: Sequence[Any], index: int, root: Path) -> GpuDetails:
    handle = handles[index]
    if handle is None:
        return GpuDetails(index=index)
    pci_bus_id = session.pci_bus_id("nvmlDeviceGetPciInfo", handle)
    return GpuDetails(
        index=index,
        name=session.text("nvmlDeviceGetName", handle),
        uuid=session.text("nvmlDeviceGetUUID", handle),
        pci_bus_id=pci_bus_id,
        memory_bytes=_memory_bytes(session, handle),
        compute_capability=_compute_capability(session, handle),
        counts_energy=session.ask("nvmlDeviceGetTotalEnergyConsumption", handle) is not None,
        persistence_mode=_on(session.ask("nvmlDeviceGetPersistenceMode", handle)),
        ecc=_on(_first(session.ask("nvmlDeviceGetEccMode", handle))),
        pcie_generation=session.ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
        pcie_generation_max=session.ask("nvmlDeviceGetMaxPcieLinkGeneration", handle),
        pcie_width=session.ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
        pcie_width_max=session.ask("nvmlDeviceGetMaxPcieLinkWidth", handle),
        numa_node=_numa_node(pci_bus_id, root),
        nvlinks=nvlinks(session, handle),
        peers=peers(session, handles, index),
        **_power_limits(session, handle),
        **_clocks(session, handle),
        **_mig(session, handle),
    )


def _power_limits(session: NvmlSession, handle: Any) -> dict[str, float | None]:
    range_mw = session.ask("nvmlDeviceGetPowerManagementLimitConstraints", handle) or (None, None)
    found_mw = {
        "power_limit_w": session.ask("nvmlDeviceGetEnforcedPowerLimit", handle),
        "power_limit_default_w": session.ask("nvmlDeviceGetPowerManagementDefaultLimit", handle),
        "power_limit_min_w": range_mw[0],
        "power_limit_max_w": range_mw[1],
    }
    return {name: None if mw is None else mw / 1e3 for name, mw in found_mw.items()}


def _clocks(session: NvmlSession, handle: Any) -> dict[str, int | None]:
    found = {}
    for name, kind in (("sm", "NVML_CLOCK_SM"), ("memory", "NVML_CLOCK_MEM")):
        clock = session.constant(kind)
        target = session.constant("NVML_CLOCK_ID_APP_CLOCK_TARGET")
        highest = session.ask("nvmlDeviceGetMaxClockInfo", handle, clock)
        chosen = session.ask("nvmlDeviceGetClock", handle, clock, target)
        if chosen is None:
            chosen = session.ask("nvmlDeviceGetApplicationsClock", handle, clock)
        found[f"{name}_clock_max_mhz"], found[f"{name}_clock_set_mhz"] = highest, chosen
    return found


def _mig(session: NvmlSession, handle: Any) -> dict[str, Any]:
    mode = _first(session.ask("nvmlDeviceGetMigMode", handle))
    if mode is None:
        # Also where the question itself is not known: such GPUs cannot be divided.
        return {"mig_capable": False}
    most = session.ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0
    slices = [session.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, i) for i in range(most)]
    return {
        "mig_capable": True,
        "mig_enabled": _on(mode),
        "mig_instances": tuple(_slice(session, one) for one in slices if one is not None),
    }


def _slice(session: NvmlSession, handle: Any) -> MigInstance:
    profile = _PROFILE.search(session.text("nvmlDeviceGetName", handle) or "")
    return MigInstance(
        uuid=session.text("nvmlDeviceGetUUID", handle),
        profile=profile[1] if profile else None,
        memory_bytes=_memory_bytes(session, handle),
    )


def _memory_bytes(session: NvmlSession, handle: Any) -> int | None:
    memory = session.ask("nvmlDeviceGetMemoryInfo", handle)
    return None if memory is None else int(memory.total)


def _compute_capability(session: NvmlSession, handle: Any) -> str | None:
    found = session.ask("nvmlDeviceGetCudaComputeCapability", handle)
    return None if found is None else ".".join(map(str, found))


def _numa_node(pci_bus_id: str | None, root: Path) -> int | None:
    if pci_bus_id is None:
        return None
    domain, _, rest = pci_bus_id.lower().partition(":")
    # The kernel writes domains with four digits, NVML with eight.
    file = root / "sys/bus/pci/devices" / f"{domain[-4:]}:{rest}" / "numa_node"
    try:
        node = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    # -1: the firmware does not say.
    return node if node >= 0 else None


def _first(pair: Any) -> Any:
    """The mode now, of a pair with the one after a reboot."""
    return None if pair is None else pair[0]


def _on(mode: int | None) -> bool | None:
    return None if mode is None else mode != 0
