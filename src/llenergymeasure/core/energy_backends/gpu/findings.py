"""What speaks against a window although its joules are right.

Something held the GPU back, changed its settings, or shared it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final

import numpy as np

from llenergymeasure.core.energy_backends.gpu.telemetry import Quantity, Telemetry
from llenergymeasure.core.energy_backends.nvml.state import POWER_LIMIT, THROTTLE
from llenergymeasure.domain.validity import Reason, ReasonCode

# Bits of NVML's clocks event reasons, by nvidia-smi's names.
REASONS: Final[Mapping[int, str]] = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}
_POWER_CAP: Final = "sw_power_cap"
_SLOWDOWNS: Final = {
    "hw_slowdown": "HW slowdown",
    "sw_thermal_slowdown": "SW thermal slowdown",
    "hw_thermal_slowdown": "HW thermal slowdown",
    "hw_power_brake_slowdown": "HW power brake",
}

# The limit is a setting: it does not jitter, but a driver may round it.
_SAME_LIMIT_W = 0.5


def gate_findings(name: str, telemetry: Telemetry, start_ns: int, end_ns: int) -> list[Reason]:
    """What was seen on one device in its window.

    Args:
        name: As its domain is called.
        telemetry: What was seen.
        start_ns: The window's start; looks just after its end tell of settings and processes.
        end_ns: The window's end.
    """
    shares = throttle_shares(telemetry, start_ns, end_ns)
    limits = _limits(telemetry.quantity(POWER_LIMIT), start_ns)
    found = (
        _report_throttling(shares),
        _power_capped(shares, limits),
        _limit_changed(limits),
        _clocks_changed(telemetry.settings),
        _foreign(telemetry.foreign),
    )
    return [
        Reason(code=one.code, detail=f"{name}: {one.detail}") for one in found if one is not None
    ]


def throttle_shares(telemetry: Telemetry, start_ns: int, end_ns: int) -> dict[str, float]:
    """Share of the looks in which each reason held; reasons that never held are left out."""
    seen = telemetry.quantity(THROTTLE)
    seen = seen.within(start_ns, end_ns) if seen is not None else None
    if seen is None or not len(seen):
        return {}
    bits = seen.values.astype(np.int64)
    shares = {name: float(np.mean((bits & bit) != 0)) for bit, name in REASONS.items()}
    return {name: share for name, share in shares.items() if share > 0}


def _report_throttling(shares: Mapping[str, float]) -> Reason | None:
    held = [f"{words} {shares[name]:.0%}" for name, words in _SLOWDOWNS.items() if name in shares]
    if not held:
        return None
    return Reason(
        code=ReasonCode.THROTTLED,
        detail=f"its clocks were held down for a share of the time: {', '.join(held)}",
    )


def _power_capped(shares: Mapping[str, float], limits: list[float]) -> Reason | None:
    if _POWER_CAP not in shares:
        return None
    limit = f" of {limits[0]:g} W" if limits else ""
    return Reason(
        code=ReasonCode.POWER_CAPPED,
        detail=f"its power limit{limit} held the clocks down for {shares[_POWER_CAP]:.0%} of "
        "the time",
    )


def _limits(seen: Quantity | None, start_ns: int) -> list[float]:
    """The limits one after the other, in W; one if it never changed."""
    values = [] if seen is None else seen.values[seen.times_ns >= start_ns].tolist()
    changes = [after for before, after in pairwise(values) if abs(after - before) > _SAME_LIMIT_W]
    return [*values[:1], *changes]


def _limit_changed(limits: list[float]) -> Reason | None:
    if len(limits) < 2:
        return None
    return Reason(
        code=ReasonCode.POWER_LIMIT_CHANGED,
        detail=f"its enforced power limit went {_steps(limits, 'W')}",
    )


def _clocks_changed(settings: Mapping[str, list[float]]) -> Reason | None:
    changed = [
        f"{name} {_steps(values, 'MHz')}" for name, values in settings.items() if len(values) > 1
    ]
    if not changed:
        return None
    return Reason(
        code=ReasonCode.CLOCKS_CHANGED,
        detail=f"its clock settings were changed: {'; '.join(changed)}",
    )


def _foreign(foreign: Mapping[int, str] | None) -> Reason | None:
    if foreign is None:
        return Reason(
            code=ReasonCode.PROCESSES_UNKNOWN,
            detail="whether somebody else computed on it cannot be told from here",
        )
    if not foreign:
        return None
    who = ", ".join(_who(foreign))
    return Reason(
        code=ReasonCode.FOREIGN_PROCESS,
        detail=f"processes that are not part of the measurement computed on it: {who}",
    )


def _who(foreign: Mapping[int, str]) -> Iterator[str]:
    for pid, name in sorted(foreign.items()):
        yield f"{pid} ({name})" if name else str(pid)


def _steps(values: Iterable[float], unit: str) -> str:
    first, *others = (f"{value:g} {unit}" for value in values)
    return f"from {first} to {', then '.join(others)}"
