"""What must hold of every window, whatever the load: splitting, non-negativity, coverage."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.gpu.counter_energy import count_energy
from llenergymeasure.core.energy_backends.gpu.edges import await_step, follow_end
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Tick
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack

_path = Path(__file__).with_name("virtual_gpu.py")
_spec = importlib.util.spec_from_file_location("virtual_gpu", _path)
assert _spec is not None and _spec.loader is not None
virtual = importlib.util.module_from_spec(_spec)
sys.modules["virtual_gpu"] = virtual
_spec.loader.exec_module(virtual)

# Longer than two updates of the power sensor (20 ms): it is read as often as it is updated, so that
# a single update may fall between two reads. A burst in it is in the counter only, and the two then
# contradict each other.
SEGMENTS = st.lists(
    st.tuples(st.floats(30, 1000), st.floats(0.045, 0.7)), min_size=1, max_size=12
).map(lambda pairs: virtual.staircase(*zip(*pairs, strict=True)))


@st.composite
def gpus(draw: st.DrawFn) -> object:
    time = virtual.VirtualTime(random.Random(draw(st.integers(0, 2**32))), 100_000_000_000)
    return virtual.VirtualGpu(
        time,
        draw(SEGMENTS),
        counter_s=draw(st.sampled_from([0.02, 0.05, 0.1])),
        counter_phase_s=draw(st.floats(0, 1)),
        power_phase_s=draw(st.floats(0, 1)),
        noise_w=draw(st.sampled_from([0.0, 0.5])),
    )


@settings(max_examples=60)
@given(gpus(), st.floats(0.05, 1.5))
def test_every_window_holds_the_truth(gpu: object, seconds: float) -> None:
    reading, truth_j = virtual.measure(gpu, seconds)
    assert reading.joules is not None, reading.reason
    assert reading.joules >= 0
    assert reading.evidence.tail_j >= 0
    assert abs(reading.joules - truth_j) <= reading.uncertainty.edge_j


@settings(max_examples=40)
@given(gpus(), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_splitting_a_window_never_changes_the_total(
    gpu: object, first_s: float, second_s: float
) -> None:
    timing = gpu.time.timing
    whole = DeviceTrack(gpu, virtual.learnt(gpu), timing.now_ns)
    await_step([whole], timing)
    whole.open()
    virtual.sample(gpu, whole, first_s)
    # Another window begins at a step of the counter, while this one goes on.
    await_step([whole], timing)
    split: Tick = whole.steps_since(whole.start_ns)[-1]
    whole.end_ns = split.latest_ns
    follow_end([whole], timing)
    virtual.sample(gpu, whole, second_s)
    whole.close()
    follow_end([whole], timing)

    # Where one ends the next begins: no joule is lost in between, none is there twice.
    first = virtual.part(whole, whole.start, split.at_ns)
    second = virtual.part(whole, split, whole.end_ns)
    parts = [count_energy(part) for part in (first, second)]
    total = count_energy(whole)
    assert total is not None and None not in parts

    apart_j = abs(sum(part.joules for part in parts) - total.joules)
    assert apart_j <= sum(found.edge_j for found in (*parts, total))
    for found, track in zip([*parts, total], [first, second, whole], strict=True):
        assert found.joules >= 0
        assert abs(found.joules - virtual.truth_j(gpu, track)) <= found.edge_j
