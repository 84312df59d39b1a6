"""Which GPUs a CUDA program sees, without asking CUDA (that would set it up in this process).

``gpu/visible.py`` has the rules by which ``CUDA_VISIBLE_DEVICES`` is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from llenergymeasure.core.energy_backends.gpu.visible import (
    SLICE_PREFIX,
    find_visible,
    parse_visible,
)
from llenergymeasure.exceptions import EnergyBackendError, EnergyDevicesError

_ORDER = "CUDA_DEVICE_ORDER"
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class KnownGpu:
    """A GPU as the driver lists it, in the order of the PCI bus."""

    uuid: str
    name: str
    pci_id: str


@dataclass(frozen=True)
class Chosen:
    """A GPU to measure, and the MIG slice by which it was named (None: the whole GPU)."""

    position: int
    mig: str | None = None


ParentOfSlice = Callable[[str], str | None]
"""The UUID of the GPU that a MIG slice belongs to; None if there is no such slice."""


def visible_gpus(
    gpus: Sequence[KnownGpu], env: Mapping[str, str], parent_of: ParentOfSlice
) -> list[Chosen]:
    """The GPUs that a CUDA program with this environment may use, each once.

    Raises:
        EnergyBackendError: An index is used where CUDA's order of the GPUs cannot be known.
    """
    if _VISIBLE not in env:
        return [Chosen(position) for position in range(len(gpus))]
    entries = parse_visible(env[_VISIBLE])
    if not entries:
        return []
    first = entries[0]
    if isinstance(first, str) and first.startswith(SLICE_PREFIX):
        return _pick_slices(map(str, entries), gpus, parent_of)
    places = find_visible(entries, [gpu.uuid for gpu in gpus])
    if isinstance(first, int) and places:
        _require_known_order(gpus, env)
    return [Chosen(place) for place in places]


def find_named_gpus(
    names: Sequence[str], gpus: Sequence[KnownGpu], parent_of: ParentOfSlice
) -> list[Chosen]:
    """The GPUs of a config's list: NVML indices, UUIDs or their beginnings, PCI bus ids.

    Raises:
        EnergyDevicesError: A name fits none or several.
    """
    chosen: dict[int, Chosen] = {}
    for name in names:
        # Readings call a GPU gpu:N, so a user may.
        plain = name.removeprefix("gpu:")
        found = _pick_named(plain, gpus, parent_of) or _by_pci_id(plain, gpus)
        if found is None:
            known = ", ".join(f"{i} = {gpu.uuid}" for i, gpu in enumerate(gpus)) or "none"
            raise EnergyDevicesError(
                f"energy.nvml.devices: {name!r} names no GPU, or several",
                hint=f"GPUs here: {known}",
            )
        chosen.setdefault(found.position, found)
    return list(chosen.values())


def _pick_slices(
    entries: Iterable[str], gpus: Sequence[KnownGpu], parent_of: ParentOfSlice
) -> list[Chosen]:
    chosen: dict[int, Chosen] = {}
    for entry in entries:
        found = _pick_named(entry, gpus, parent_of)
        if found is None:
            break
        chosen.setdefault(found.position, found)
    return list(chosen.values())


def _pick_named(entry: str, gpus: Sequence[KnownGpu], parent_of: ParentOfSlice) -> Chosen | None:
    if entry.isdecimal():
        return Chosen(int(entry)) if int(entry) < len(gpus) else None
    if entry.upper().startswith("MIG-"):
        parent = parent_of(entry)
        positions = [i for i, gpu in enumerate(gpus) if gpu.uuid == parent]
        return Chosen(positions[0], mig=entry) if positions else None
    if not entry.upper().startswith("GPU-"):
        return None
    positions = [i for i, gpu in enumerate(gpus) if gpu.uuid.lower().startswith(entry.lower())]
    # A beginning that fits several names none.
    return Chosen(positions[0]) if len(positions) == 1 else None


def _by_pci_id(name: str, gpus: Sequence[KnownGpu]) -> Chosen | None:
    # The domain is written with 4 or 8 digits, or left out.
    wanted = name.lower()
    positions = [i for i, gpu in enumerate(gpus) if wanted in _spellings(gpu.pci_id.lower())]
    return Chosen(positions[0]) if len(positions) == 1 else None


def _spellings(pci_id: str) -> set[str]:
    domain, _, rest = pci_id.partition(":")
    return {pci_id, f"{domain[-4:]}:{rest}", rest}


def _require_known_order(gpus: Sequence[KnownGpu], env: Mapping[str, str]) -> None:
    """CUDA counts by speed unless told otherwise; equal GPUs then stay in the bus's order."""
    if env.get(_ORDER) == "PCI_BUS_ID" or len({gpu.name for gpu in gpus}) <= 1:
        return
    raise EnergyBackendError(
        f"{_VISIBLE} has indices, but the GPUs differ and CUDA orders them by speed",
        hint=f"set {_ORDER}=PCI_BUS_ID, or name GPUs by UUID (nvidia-smi -L)",
    )
