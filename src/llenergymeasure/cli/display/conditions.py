"""How devices fared in the window, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llenergymeasure.cli.display.text.lines import Row
from llenergymeasure.cli.display.text.numbers import percent
from llenergymeasure.domain.conditions import DeviceConditions, Spread


def condition_rows(conditions: Iterable[DeviceConditions]) -> Iterator[Row]:
    """A row for each device of which anything was watched."""
    label = "Devices"
    for one in conditions:
        words = ", ".join(_words(one))
        if words:
            yield label, f"{one.device}: {words}"
            label = ""


def _words(one: DeviceConditions) -> Iterator[str]:
    if one.sm_percent is not None:
        yield f"SM {one.sm_percent.mean:.0f} % busy"
    if one.sm_clock_mhz is not None:
        yield f"at {_range(one.sm_clock_mhz)} MHz"
    if one.temperature_c is not None:
        yield f"{_range(one.temperature_c)} °C"
    if one.power_limit_w is not None:
        yield f"limit {one.power_limit_w:,.0f} W"
    for name, share in one.throttle_share.items():
        if name not in _ALWAYS_SO:
            yield f"{name} {percent(share)} of the time"


# Reasons for a clock that say nothing of what held it back.
_ALWAYS_SO = {"gpu_idle"}


def _range(spread: Spread) -> str:
    low, high = f"{spread.min:,.0f}", f"{spread.max:,.0f}"
    return low if low == high else f"{low} to {high}"
