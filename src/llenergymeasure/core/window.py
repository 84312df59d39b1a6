"""The measured window: exactly the inference, and nothing else.

    synchronize | load on | energy.start | generate ... synchronize | energy.stop | load off
                                         ^ start                   ^ end

Model load, warm-up and saving are the caller's, outside of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.supervised import (
    samples_of,
    start_supervised,
    stop_supervised,
)
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.core.machine.load import LoadMeter
from llenergymeasure.domain.energy import EnergyReading, MeasurementWindow
from llenergymeasure.domain.environment import LoadSample
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace


@dataclass(frozen=True)
class WindowOutcome:
    """What one window gave.

    Attributes:
        traces: One a request, in the order in which the engine answered.
        reading: Of the energy source; its own windows enclose ``window`` by a hair.
        window: From before the first dispatch to the end of all device work.
        load: CPU use of this and of other processes meanwhile.
        samples: What the energy source sampled; empty if it keeps none.
    """

    traces: tuple[RequestTrace, ...]
    reading: EnergyReading
    window: MeasurementWindow
    load: LoadSample
    samples: tuple[SampleSeries, ...] = ()


def measure_window(
    backend: InferenceBackend,
    energy: EnergyBackend,
    requests: Sequence[InferenceRequest],
    *,
    source: str = "energy",
    on_trace: Callable[[RequestTrace], None] | None = None,
    parent_pid: int | None = None,
) -> WindowOutcome:
    """Answer the requests once, measured.

    Args:
        backend: A loaded engine.
        energy: A prepared source.
        requests: The workload.
        source: What the energy source is called.
        on_trace: Called inside the window with each trace; must be quick.
        parent_pid: The watching process, whose CPU use counts as ours.

    Raises:
        Exception: Whatever the engine raises; the energy source is stopped before.
    """
    backend.synchronize()
    meter = LoadMeter(parent_pid=parent_pid)
    energy = start_supervised(energy, source)
    try:
        traces, window = _run(backend, requests, on_trace)
    except BaseException:
        stop_supervised(energy, source)
        raise
    reading = stop_supervised(energy, source)
    load = meter.sample()
    return WindowOutcome(traces, reading, window, load, samples_of(energy))


def _run(
    backend: InferenceBackend,
    requests: Sequence[InferenceRequest],
    on_trace: Callable[[RequestTrace], None] | None,
) -> tuple[tuple[RequestTrace, ...], MeasurementWindow]:
    traces: list[RequestTrace] = []
    start_utc = datetime.now(UTC)
    start_ns = time.monotonic_ns()
    for trace in backend.generate(requests):
        traces.append(trace)
        if on_trace is not None:
            on_trace(trace)
    backend.synchronize()
    end_ns = time.monotonic_ns()
    return tuple(traces), MeasurementWindow.between(start_ns, end_ns, start_utc)
