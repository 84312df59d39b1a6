"""A window's looks as they are stored: a summary per device, and every sample as a series."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from llenergymeasure.core.energy_backends.gpu.findings import throttle_shares
from llenergymeasure.core.energy_backends.gpu.telemetry import Quantity, Telemetry
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack
from llenergymeasure.core.energy_backends.nvml.state import POWER_LIMIT
from llenergymeasure.domain.conditions import DeviceConditions, Spread
from llenergymeasure.domain.samples import SampleSeries


def conditions_of(
    name: str, device_id: str | None, track: DeviceTrack, telemetry: Telemetry
) -> DeviceConditions:
    """How a device fared within its window."""

    def spread(quantity: str) -> Spread | None:
        return _spread(_within(telemetry.quantity(quantity), track))

    limit = _within(telemetry.quantity(POWER_LIMIT), track)
    foreign = telemetry.foreign
    return DeviceConditions(
        device=name,
        device_id=device_id,
        power_w=_spread(_power(track)),
        temperature_c=spread("temperature_c"),
        sm_percent=spread("sm_percent"),
        memory_percent=spread("memory_percent"),
        sm_clock_mhz=spread("sm_clock_mhz"),
        memory_clock_mhz=spread("memory_clock_mhz"),
        memory_used_bytes=spread("memory_used_bytes"),
        power_limit_w=float(limit.values[0]) if limit is not None else None,
        throttle_share=throttle_shares(telemetry, track.start_ns, track.end_ns),
        processes=telemetry.pids,
        foreign_processes=None if foreign is None else tuple(sorted(foreign)),
    )


def series_of(
    name: str, track: DeviceTrack, telemetry: Telemetry, every_ns: int | None
) -> Iterator[SampleSeries]:
    """Every quantity of a device within its window.

    Args:
        name: As its domain is called.
        track: Its power and energy.
        telemetry: Everything else.
        every_ns: Power and energy are thinned to about one sample in this time; None keeps all.
    """
    read = {"power_w": _power(track), "energy_j": _energy(track)}
    for quantity, samples in read.items():
        if samples is not None:
            yield _series(name, quantity, _thin(samples, every_ns))
    for quantity in telemetry.quantities:
        samples = _within(telemetry.quantity(quantity), track)
        if samples is not None:
            yield _series(name, quantity, samples)


def _power(track: DeviceTrack) -> Quantity | None:
    reads = track.seen.power().between(track.start_ns, track.end_ns)
    return Quantity(reads.times_ns, reads.power_w) if len(reads) else None


def _energy(track: DeviceTrack) -> Quantity | None:
    """Joules since the window's start; None without a counter that only rises."""
    if track.start is None:
        return None
    reads = track.seen.counter(track.start_ns)
    times_ns = (reads.before_ns + reads.after_ns) // 2
    if np.any(np.diff(reads.values_mj) < 0):
        return None
    joules = (reads.values_mj - track.start.value_mj) / 1e3
    return _within(Quantity(times_ns, joules), track)


def _within(samples: Quantity | None, track: DeviceTrack) -> Quantity | None:
    found = samples.within(track.start_ns, track.end_ns) if samples is not None else None
    return found if found is not None and len(found) else None


def _spread(samples: Quantity | None) -> Spread | None:
    if samples is None:
        return None
    values = samples.values
    return Spread(
        min=float(values.min()),
        mean=float(values.mean()),
        max=float(values.max()),
        n=len(values),
    )


def _thin(samples: Quantity, every_ns: int | None) -> Quantity:
    """The first sample of each stretch of time."""
    if every_ns is None:
        return samples
    # Reads that are meant to come with every stretch come a little early or late.
    stretch = (samples.times_ns - samples.times_ns[0] + every_ns // 2) // every_ns
    _, first = np.unique(stretch, return_index=True)
    return Quantity(samples.times_ns[first], samples.values[first])


def _series(name: str, quantity: str, samples: Quantity) -> SampleSeries:
    return SampleSeries(
        device=name,
        quantity=quantity,
        times_ns=array("q", samples.times_ns.tolist()),
        values=array("d", samples.values.tolist()),
    )
