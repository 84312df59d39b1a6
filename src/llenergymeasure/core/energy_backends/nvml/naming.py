"""How an NVIDIA GPU is named in a reading."""

from __future__ import annotations

import re
from importlib import metadata

from llenergymeasure.core.energy_backends.nvml.devices import NvmlDevice
from llenergymeasure.domain.energy import DomainReading, EnergyScope
from llenergymeasure.domain.validity import Reason, ReasonCode

SOURCE = "nvml"

# Grace CPU and GPU on one module: GH200, GB200, GB300, with any ending.
_SUPERCHIP = re.compile(r"\bG[HB][0-9]{3}")


def domain_of(device: NvmlDevice) -> DomainReading:
    """A GPU's domain, without a number yet."""
    name = f"gpu:{device.index}"
    standing = {
        ReasonCode.MIG_SHARED: device.sliced
        and "is divided into MIG slices: the joules are those of all of them",
        ReasonCode.MODULE_COUNTER: bool(_SUPERCHIP.search(device.name))
        and f"is part of a superchip ({device.name}): the counter covers the whole module",
    }
    return DomainReading(
        name=name,
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        device_id=device.uuid or None,
        findings=tuple(
            Reason(code=code, detail=f"{name} {detail}")
            for code, detail in standing.items()
            if detail
        ),
        source=SOURCE,
    )


def binding_version() -> str | None:
    """Of nvidia-ml-py; None if it is not installed as a package."""
    try:
        return metadata.version("nvidia-ml-py")
    except metadata.PackageNotFoundError:
        return None
