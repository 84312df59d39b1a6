"""Time series as a Vega-Lite chart: a panel a quantity, a line a device, one axis of time."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from llenergymeasure.results.plots.thin import choose_kept_indices
from llenergymeasure.results.plots.tracks import Track

_TIME = "time since the window's start (s)"
_WIDTH, _HEIGHT, _MAIN_HEIGHT = 800, 120, 220
_TITLE_LETTERS = 22

# Panels stand in this order; what a plug-in calls otherwise comes after.
_TITLES = {
    "power_w": "power (W)",
    "energy_j": "energy (J)",
    "cpu_percent": "CPU use of the measured processes (% of all CPUs)",
    "sm_percent": "GPU busy, with any kernel (% of time)",
    "memory_percent": "GPU memory read or written (% of time)",
    "memory_used_bytes": "memory used (bytes)",
    "temperature_c": "temperature (°C)",
    "sm_clock_mhz": "SM clock (MHz)",
    "memory_clock_mhz": "memory clock (MHz)",
    "power_limit_w": "power limit (W)",
    "throttle_reasons": "throttle reasons (bits)",
    "requests_in_flight": "requests in flight",
}
_UNITS = {
    "_w": "W",
    "_j": "J",
    "_c": "°C",
    "_s": "s",
    "_ms": "ms",
    "_mhz": "MHz",
    "_percent": "%",
    "_bytes": "bytes",
}
# These hold until they change; a slope between two samples would say otherwise.
_STEPS = ("throttle_reasons", "power_limit_w", "requests_in_flight")
# A truncated axis would blow up small changes; of these nobody looks at the distance from zero.
_FROM_ANYWHERE = ("temperature_c", "sm_clock_mhz", "memory_clock_mhz")


def axis_title(quantity: str) -> str:
    """A quantity in words, with its unit."""
    if quantity in _TITLES:
        return _TITLES[quantity]
    unit = next((unit for end, unit in _UNITS.items() if quantity.endswith(end)), None)
    if unit is None:
        return quantity.replace("_", " ")
    return f"{quantity.rpartition('_')[0].replace('_', ' ')} ({unit})"


def chart(tracks: Sequence[Track], title: str) -> dict[str, Any]:
    """The chart of these series, which hold something each.

    ``title`` is completed with what was estimated or replayed.
    """
    quantities = sorted({track.series.quantity for track in tracks}, key=_place)
    lines = list(dict.fromkeys(_line(track, tracks) for track in tracks))
    panels = [f"panel_{i}" for i in range(len(quantities))]
    span_s = [
        float(min(track.times_s[0] for track in tracks)),
        float(max(track.times_s[-1] for track in tracks)),
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": _make_title(title, tracks), "anchor": "start", "limit": _WIDTH + 100},
        "params": [
            {
                "name": "zoom",
                "select": {"type": "interval", "encodings": ["x"]},
                "bind": "scales",
                "views": panels,
            }
        ],
        "spacing": 14,
        "vconcat": [
            {"name": name, **_panel(tracks, quantity, lines, span_s, quantity == quantities[-1])}
            for name, quantity in zip(panels, quantities, strict=True)
        ],
        "config": {"background": "white", "axis": {"labelLimit": 120}},
    }


def _panel(
    tracks: Sequence[Track],
    quantity: str,
    lines: Sequence[str],
    span_s: Sequence[float],
    last: bool,
) -> dict[str, Any]:
    points = _points(tracks, quantity)
    return {
        "width": _WIDTH,
        "height": _MAIN_HEIGHT if quantity == "power_w" else _HEIGHT,
        "data": {"values": points},
        "mark": _mark(quantity),
        "encoding": {
            "x": _time_axis(span_s, titled=last),
            "y": _value_axis(quantity, [point["v"] for point in points]),
            "color": _color(lines),
        },
    }


def _place(quantity: str) -> tuple[int, str]:
    known = list(_TITLES)
    return (known.index(quantity) if quantity in known else len(known), quantity)


def _make_title(title: str, tracks: Sequence[Track]) -> str:
    of_device = {t.series.device: t.origin for t in tracks if t.series.quantity[:8] != "requests"}
    origins = {origin for origin in of_device.values() if origin is not None}
    if not origins:
        return title
    if len(set(of_device.values())) == 1:
        return f"{title} ({origins.pop()})"
    named = [f"{device} {origin}" for device, origin in of_device.items() if origin]
    return f"{title} ({', '.join(named)})"


def _line(track: Track, among: Sequence[Track]) -> str:
    """What a line is called: as much as tells it from the others."""
    words = [track.series.device]
    if len({one.process_index for one in among}) > 1:
        words.append(f"process {track.process_index}")
    if len({one.cycle for one in among}) > 1:
        words.append(f"cycle {track.cycle}")
    if track.origin is not None:
        words.append(f"({track.origin})")
    return " ".join(words)


def _points(tracks: Sequence[Track], quantity: str) -> list[dict[str, Any]]:
    points = []
    for track in tracks:
        if track.series.quantity != quantity:
            continue
        times_s, values, line = track.times_s, track.values, _line(track, tracks)
        kept = choose_kept_indices(times_s, values)
        pairs = zip(times_s[kept].tolist(), values[kept].tolist(), strict=True)
        points += [{"t": t_s, "v": value, "line": line} for t_s, value in pairs]
    return points


def _mark(quantity: str) -> dict[str, Any]:
    mark = {"type": "line", "clip": True, "strokeWidth": 1.2, "tooltip": True}
    return {**mark, "interpolate": "step-after"} if quantity in _STEPS else mark


def _time_axis(span_s: Sequence[float], *, titled: bool) -> dict[str, Any]:
    return {
        "field": "t",
        "type": "quantitative",
        "title": _TIME if titled else None,
        "scale": {"domain": span_s, "nice": False},
    }


def _value_axis(quantity: str, values: Sequence[float]) -> dict[str, Any]:
    zero = quantity not in _FROM_ANYWHERE
    scale: dict[str, Any] = {"zero": zero}
    if zero and min(values) >= 0:
        # A line at the very top would be half hidden.
        scale = {"domain": [0, 1.05 * max(values) or 1], "nice": False}
    return {
        "field": "v",
        "type": "quantitative",
        # It runs along the axis, and must not reach into the next panel.
        "title": _wrap(axis_title(quantity)),
        "scale": scale,
        "axis": {"format": "~s"} if quantity.endswith("_bytes") else {},
    }


def _wrap(title: str) -> str | list[str]:
    if len(title) <= _TITLE_LETTERS:
        return title
    words, _, unit = title.partition(" (")
    return [*textwrap.wrap(words, _TITLE_LETTERS), *([f"({unit}"] if unit else [])]


def _color(lines: Sequence[str]) -> dict[str, Any]:
    scheme = "tableau10" if len(lines) <= 10 else "sinebow"
    return {
        "field": "line",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(lines), "scheme": scheme},
        "sort": None,
    }
