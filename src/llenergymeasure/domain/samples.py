"""Samples of a quantity over a window, as a source kept them; they become a time series file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class SampleSeries:
    """One quantity of one device.

    Attributes:
        device: As its domain is called, e.g. ``gpu:0`` or ``cpu:0``.
        quantity: With its unit: ``power_w``, ``energy_j`` (cumulative), ``sm_percent``,
            ``memory_percent``, ``memory_used_bytes``, ``temperature_c``, ``sm_clock_mhz``,
            ``memory_clock_mhz``, ``power_limit_w``, ``throttle_reasons`` (bit mask),
            ``cpu_percent`` (CPU use of the measured processes, in percent of all CPUs).
        times_ns: CLOCK_MONOTONIC, rising.
        values: One a time; a sample that failed is left out.
    """

    device: str
    quantity: str
    times_ns: Sequence[int]
    values: Sequence[float]
