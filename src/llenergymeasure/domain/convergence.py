"""When a warm-up may end: iteration times vary little, and temperatures stand still. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

# A GPU nears its final temperature over minutes; 1 degree is the step of its sensor.
STEADY_SPAN_S: Final = 10.0
STEADY_WITHIN_C: Final = 1.0

TemperatureTrack = Sequence[tuple[float, Mapping[str, float]]]
"""Temperatures in degrees Celsius by device, each with its time in s; one an iteration."""


def variation(times: Sequence[float], window: int) -> float | None:
    """Sample standard deviation / mean of the last ``window`` times.

    None while there are fewer, or where their mean is 0.
    """
    last = times[-window:]
    if len(last) < window or window < 2:
        return None
    mean = math.fsum(last) / window
    if mean <= 0:
        return None
    return math.sqrt(math.fsum((t - mean) ** 2 for t in last) / (window - 1)) / mean


def has_converged(times: Sequence[float], *, window: int, least: int, threshold: float) -> bool:
    """Whether there are ``least`` times and the last ``window`` vary by less than ``threshold``."""
    found = variation(times, window)
    return len(times) >= least and found is not None and found < threshold


def temperatures_steady(track: TemperatureTrack, window: int) -> bool | None:
    """Whether no device's temperature moved over the last ``window`` iterations and 10 s.

    None where there is no sensor, or not yet that much to look back on.
    """
    if not track:
        return None
    now_s, now = track[-1]
    earlier = [
        temperatures for t_s, temperatures in track[:-window] if t_s <= now_s - STEADY_SPAN_S
    ]
    if not earlier or not now:
        return None
    then = earlier[-1]
    both = [abs(now[device] - then[device]) for device in now if device in then]
    return all(change <= STEADY_WITHIN_C for change in both) if both else None
