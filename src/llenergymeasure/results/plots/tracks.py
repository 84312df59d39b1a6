"""Time series as they are looked at: each with its cycle and process, and its true name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llenergymeasure.domain.energy import EnergyMethod, EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.security import plain_text
from llenergymeasure.tables import arrow, write_csv

REQUESTS = SampleSeries("requests", "requests_in_flight", (), ())


@dataclass(frozen=True)
class Track:
    """One series of one process in one cycle.

    Attributes:
        start_ns: Start of the measured window (CLOCK_MONOTONIC).
        origin: ``estimated`` or ``replayed`` where nothing of this machine was measured.
    """

    cycle: int
    process_index: int
    start_ns: int
    series: SampleSeries
    origin: str | None = None

    @property
    def times_s(self) -> Any:
        """Seconds since the window's start, as an array."""
        import numpy as np

        return (np.asarray(self.series.times_ns, dtype=np.int64) - self.start_ns) / 1e9

    @property
    def values(self) -> Any:
        """The values, as an array."""
        import numpy as np

        return np.asarray(self.series.values, dtype=np.float64)


@dataclass(frozen=True)
class TrackSummary:
    """A series in one line.

    Attributes:
        mean: Over the samples, each counted alike.
        interval_s: Usual time between two samples; None with fewer than two.
    """

    cycle: int
    process_index: int
    device: str
    quantity: str
    origin: str | None
    samples: int
    interval_s: float | None
    min: float
    mean: float
    max: float


# What follows from joules; the rest of an estimate (the CPU time it goes by) is observed.
_OF_ENERGY = ("power_w", "energy_j")


def origin_of(series: SampleSeries, reading: EnergyReading) -> str | None:
    """What samples must be called beside measured ones."""
    if reading.replayed:
        return "replayed"
    of_device = [domain for domain in reading.domains if domain.name == series.device]
    estimated = any(domain.method is EnergyMethod.ESTIMATED for domain in of_device)
    return "estimated" if estimated and series.quantity in _OF_ENERGY else None


def count_in_flight(traces: Iterable[RequestTrace]) -> SampleSeries:
    """How many requests were under way, at each time at which that changed."""
    changes: dict[int, int] = {}
    for trace in traces:
        changes[trace.dispatch_ns] = changes.get(trace.dispatch_ns, 0) + 1
        changes[trace.return_ns] = changes.get(trace.return_ns, 0) - 1
    times_ns = sorted(changes)
    values: list[float] = []
    for at_ns in times_ns:
        values.append((values[-1] if values else 0) + changes[at_ns])
    return SampleSeries(REQUESTS.device, REQUESTS.quantity, times_ns, values)


def summary(track: Track) -> TrackSummary:
    """A series in one line; it must hold something."""
    import numpy as np

    values, times_s = track.values, track.times_s
    return TrackSummary(
        cycle=track.cycle,
        process_index=track.process_index,
        device=track.series.device,
        quantity=track.series.quantity,
        origin=track.origin,
        samples=len(values),
        interval_s=float(np.median(np.diff(times_s))) if len(times_s) > 1 else None,
        min=float(values.min()),
        mean=float(values.mean()),
        max=float(values.max()),
    )


def as_csv(tracks: Sequence[Track]) -> bytes:
    """Every sample of every series, in long form; numbers are exact."""
    table = arrow().concat_tables([_rows(track) for track in tracks])
    header = f"{','.join(table.column_names)}\n".encode()
    names = {word for t in tracks for word in (t.series.device, t.series.quantity)}
    # Arrow quotes either every text or none.
    style = "needed" if any(set(name) & set(',"\r\n') for name in names) else "none"
    return header + write_csv(table, quoting=style)


def _rows(track: Track) -> Any:
    pa = arrow()
    count = len(track.values)
    return pa.table(
        {
            "cycle": pa.array([track.cycle] * count, pa.int64()),
            "process_index": pa.array([track.process_index] * count, pa.int64()),
            "t_s": pa.array(track.times_s, pa.float64()),
            "t_monotonic_ns": pa.array(track.series.times_ns, pa.int64()),
            "device": pa.array([plain_text(track.series.device)] * count, pa.string()),
            "quantity": pa.array([plain_text(track.series.quantity)] * count, pa.string()),
            "value": pa.array(track.values, pa.float64()),
            "origin": pa.array([plain_text(track.origin)] * count, pa.string()),
        }
    )
