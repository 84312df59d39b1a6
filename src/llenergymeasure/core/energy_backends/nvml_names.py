"""How a GPU and its window are named in a reading, and what is said where there is no GPU."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from importlib import metadata

from llenergymeasure.core.energy_backends.device_track import DeviceTrack
from llenergymeasure.core.energy_backends.nvml_devices import NvmlDevice
from llenergymeasure.domain.energy import DomainReading, EnergyScope, MeasurementWindow
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


def no_domain(code: ReasonCode, detail: str, *, expected: bool) -> DomainReading:
    """What is said where there is no GPU.

    Args:
        code: Why.
        detail: The same in words.
        expected: There should be one, so that a total without it is no total.
    """
    return DomainReading(
        name="gpu",
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        expected=expected,
        reason=detail,
        findings=(Reason(code=code, detail=detail),),
        source=SOURCE,
    )


def window_of(track: DeviceTrack) -> MeasurementWindow:
    """A device's own window, which opened at its own counter's step."""
    ago = timedelta(microseconds=(time.monotonic_ns() - track.start_ns) / 1e3)
    return MeasurementWindow(
        start_monotonic_ns=track.start_ns,
        end_monotonic_ns=track.end_ns,
        start_utc=datetime.now(UTC) - ago,
        duration_s=(track.end_ns - track.start_ns) / 1e9,
    )


def binding_version() -> str | None:
    """Of nvidia-ml-py; None if it is not installed as a package."""
    try:
        return metadata.version("nvidia-ml-py")
    except metadata.PackageNotFoundError:
        return None
