"""How devices fared over several processes and cycles: one summary a device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llenergymeasure.domain.conditions import DeviceConditions, Spread

_SPREADS = (
    "power_w",
    "temperature_c",
    "sm_percent",
    "memory_percent",
    "sm_clock_mhz",
    "memory_clock_mhz",
    "memory_used_bytes",
)


def merge_conditions(seen: Iterable[tuple[str, DeviceConditions]]) -> tuple[DeviceConditions, ...]:
    """One summary a device.

    Args:
        seen: Each with the host that it was seen on: without an id, names repeat between hosts.
    """
    groups: dict[tuple[str, ...], list[DeviceConditions]] = {}
    for host, one in seen:
        key = (one.device_id,) if one.device_id is not None else (host, one.device)
        groups.setdefault(key, []).append(one)
    return tuple(_merge(group) for group in groups.values())


def _merge(group: Sequence[DeviceConditions]) -> DeviceConditions:
    first = group[0]
    if len(group) == 1:
        return first
    spreads = {name: _spread([getattr(one, name) for one in group]) for name in _SPREADS}
    return first.model_copy(
        update={
            **spreads,
            "throttle_share": _shares(group),
            "processes": _union([one.processes for one in group]),
            "foreign_processes": _union([one.foreign_processes for one in group]),
        }
    )


def _spread(parts: Sequence[Spread | None]) -> Spread | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    n = sum(part.n for part in known)
    return Spread(
        min=min(part.min for part in known),
        mean=sum(part.mean * part.n for part in known) / n,
        max=max(part.max for part in known),
        n=n,
    )


def _shares(group: Sequence[DeviceConditions]) -> dict[str, float]:
    """Of the windows together, each weighing as much as it has samples of its temperature."""
    weights = [one.temperature_c.n if one.temperature_c else 1 for one in group]
    names = dict.fromkeys(name for one in group for name in one.throttle_share)
    return {
        # Rounding must not make a share of 1.0000000000000002.
        name: min(
            1.0,
            sum(
                one.throttle_share.get(name, 0.0) * weight
                for one, weight in zip(group, weights, strict=True)
            )
            / sum(weights),
        )
        for name in names
    }


def _union(parts: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """All of them; None if one of them is not known, since the others are not all then."""
    if any(part is None for part in parts):
        return None
    return tuple(sorted({pid for part in parts for pid in part or ()}))
