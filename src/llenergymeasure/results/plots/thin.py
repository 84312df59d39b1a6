"""Fewer points for a plot: of each stretch of time the lowest and the highest stay.

A line that is drawn through them covers the same pixels as one through all points, and no peak,
however short, is lost.
"""

from __future__ import annotations

from typing import Any

BUCKETS = 800


def choose_kept_indices(times_s: Any, values: Any, buckets: int = BUCKETS) -> Any:
    """Indices of the points to draw, rising; all of them where they are few.

    Args:
        times_s: Times, rising.
        values: As many, all finite.
        buckets: Stretches of equal length that the time is divided into; at most two points of
            each stay, and the first and the last of all.
    """
    import numpy as np

    count = len(times_s)
    if count <= 2 * buckets:
        return np.arange(count)
    length_s = times_s[-1] - times_s[0]
    if length_s <= 0:
        return np.unique([0, values.argmin(), values.argmax(), count - 1])
    bucket = np.minimum(((times_s - times_s[0]) / length_s * buckets).astype(int), buckets - 1)
    # Sorted by bucket and then by value, the first and the last of each are its extremes.
    order = np.lexsort((values, bucket))
    ends = np.flatnonzero(np.diff(bucket[order]))
    lowest, highest = order[np.r_[0, ends + 1]], order[np.r_[ends, count - 1]]
    return np.unique(np.concatenate([[0, count - 1], lowest, highest]))
