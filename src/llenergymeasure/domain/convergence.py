"""When a warm-up may end: iteration times vary little, and temperatures stand still. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

# A GPU nears its final temperature over minutes; 1 degree is the step of its sensor.
STEADY_SPAN_S: Final = 10.0
STEADY_WITHIN_C: Final = 1.0

TemperatureTrack = Sequence[tuple[float, Mapping[str, float]]]
"""Temperatures in degrees Celsius by device, each with its time in s; in order."""


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
    # Quick batches leave a long track, and this is asked after each.
    before_window = max(len(track) - window, 0)
    earlier = bisect_right(track, now_s - STEADY_SPAN_S, hi=before_window, key=lambda seen: seen[0])
    if not earlier or not now:
        return None
    _, then = track[earlier - 1]
    both = [abs(now[device] - then[device]) for device in now if device in then]
    return all(change <= STEADY_WITHIN_C for change in both) if both else None
