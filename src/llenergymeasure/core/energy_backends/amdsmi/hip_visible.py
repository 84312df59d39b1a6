"""Which AMD GPUs a HIP program sees, without asking HIP (that would set it up in this process).

ROCR_VISIBLE_DEVICES first leaves out GPUs, then HIP_VISIBLE_DEVICES, else CUDA_VISIBLE_DEVICES,
chooses among the rest. ``gpu/visible.py`` has the rules by which each of them is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llenergymeasure.core.energy_backends.gpu.visible import (
    UUID_PREFIX,
    find_visible,
    parse_visible,
)
from llenergymeasure.exceptions import EnergyBackendError, EnergyDevicesError

_BEFORE = "ROCR_VISIBLE_DEVICES"
_AFTER = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True)
class KnownAmdGpu:
    """A GPU as AMD SMI lists it.

    Attributes:
        uuid: As AMD SMI writes it; empty where it does not tell.
        name: Of the product.
        bdf: Its place on the PCI bus.
        hip_id: Its index for HIP where nothing is hidden; None where that is not known.
        hip_uuid: Its name for HIP; empty where that is not known.
    """

    uuid: str
    name: str
    bdf: str
    hip_id: int | None = None
    hip_uuid: str = ""


def visible_amd_gpus(gpus: Sequence[KnownAmdGpu], env: Mapping[str, str]) -> list[int]:
    """Positions of the GPUs that a HIP program with this environment may use.

    Raises:
        EnergyBackendError: An index is used where HIP's order of the GPUs is not known.
    """
    filters = [name for name in (_BEFORE, _chooser(env)) if name in env]
    if not filters:
        return list(range(len(gpus)))
    chosen = _sort_as_hip(gpus, filters[0])
    for variable in filters:
        chosen = _filter(chosen, gpus, env[variable])
    return chosen


def find_named_amd_gpus(gpus: Sequence[KnownAmdGpu], names: Sequence[str]) -> list[int]:
    """Positions of the GPUs of a config's list: indices, UUIDs or their beginnings, PCI bus ids.

    Raises:
        EnergyDevicesError: A name fits none or several.
    """
    chosen: list[int] = []
    for name in names:
        found = _pick_named(name.strip().lower(), list(range(len(gpus))), gpus)
        if found is None:
            known = ", ".join(f"{i} = {gpu.uuid or gpu.bdf}" for i, gpu in enumerate(gpus))
            raise EnergyDevicesError(
                f"energy.amdsmi.devices: {name!r} names no GPU, or several",
                hint=f"GPUs here: {known or 'none'}",
            )
        if found not in chosen:
            chosen.append(found)
    return chosen


def _chooser(env: Mapping[str, str]) -> str:
    return next((name for name in _AFTER if name in env), _AFTER[0])


def _sort_as_hip(gpus: Sequence[KnownAmdGpu], variable: str) -> list[int]:
    ids = [gpu.hip_id for gpu in gpus]
    known = [number for number in ids if number is not None]
    if len(gpus) <= 1:
        return list(range(len(gpus)))
    if len(set(known)) < len(gpus):
        raise EnergyBackendError(
            f"{variable} is set, but AMD SMI does not tell in which order HIP counts the GPUs",
            hint="name the GPUs in energy.amdsmi.devices",
        )
    return sorted(range(len(gpus)), key=lambda place: known[place])


def _filter(among: Sequence[int], gpus: Sequence[KnownAmdGpu], text: str) -> list[int]:
    uuids = [_uuid_for_hip(gpus[place]) for place in among]
    return [among[found] for found in find_visible(parse_visible(text), uuids)]


def _uuid_for_hip(gpu: KnownAmdGpu) -> str:
    bare = (gpu.hip_uuid or gpu.uuid).removeprefix(UUID_PREFIX).lower()
    return f"{UUID_PREFIX}{bare}" if bare else ""


def _pick_named(entry: str, among: Sequence[int], gpus: Sequence[KnownAmdGpu]) -> int | None:
    """The position of the GPU that an entry names; None if it names none, or several."""
    if entry.isdecimal():
        return among[int(entry)] if int(entry) < len(among) else None
    if not entry:
        return None
    fitting = [place for place in among if _fits(entry, gpus[place])]
    return fitting[0] if len(fitting) == 1 else None


def _fits(entry: str, gpu: KnownAmdGpu) -> bool:
    bdf = gpu.bdf.lower()
    # The PCI domain may be left out.
    if entry in (bdf, bdf.partition(":")[2]):
        return True
    bare = entry.removeprefix("gpu-")
    uuids = (gpu.uuid.lower(), gpu.hip_uuid.lower())
    return any(uuid.removeprefix("gpu-").startswith(bare) for uuid in uuids if uuid)
