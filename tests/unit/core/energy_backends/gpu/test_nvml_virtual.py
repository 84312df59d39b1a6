"""The NVML source against known truth, windows of 10 to 11 s on a virtual clock."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from llenergymeasure.core.energy_backends.gpu.edges import await_step, follow_end
from llenergymeasure.core.energy_backends.gpu.sensor_gain import SensorGain
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack
from llenergymeasure.domain.energy import DomainReading, EnergyMethod
from llenergymeasure.domain.validity import ReasonCode

_path = Path(__file__).with_name("virtual_gpu.py")
_spec = importlib.util.spec_from_file_location("virtual_gpu", _path)
assert _spec is not None and _spec.loader is not None
virtual = importlib.util.module_from_spec(_spec)
sys.modules["virtual_gpu"] = virtual
_spec.loader.exec_module(virtual)
Outcome: Any = virtual.Outcome

COUNTERS_S = {"20 ms": 0.02, "100 ms": 0.1, "none": None}
# The full thousand, as benchmarks/nvml_truth.py --virtual makes them, take a minute.
WINDOWS, BUSY_WINDOWS = 20, 12
WORST = {"20 ms": 0.002, "100 ms": 0.002, "none": 0.03}
CASES = [(curve, counter) for counter in COUNTERS_S for curve in virtual.CURVES]


@cache
def outcomes(
    curve: str, counter: str, gain_spread: float = 0.0, busy: float = 0.0, windows: int = WINDOWS
) -> list[Outcome]:
    rng = random.Random(f"{curve} {counter} {gain_spread} {busy}")
    found: list[Outcome] = virtual.outcomes(
        rng, curve, COUNTERS_S[counter], windows, gain_spread=gain_spread, busy=busy
    )
    return found


def covered(found: Iterable[Outcome]) -> float:
    told = [outcome.error_j <= outcome.seen_j for outcome in found]
    return sum(told) / len(told)


@pytest.mark.parametrize(("curve", "counter"), CASES)
def test_the_worst_window_is_near_the_truth(curve: str, counter: str) -> None:
    errors = [outcome.error_j / outcome.truth_j for outcome in outcomes(curve, counter)]
    assert len(errors) == WINDOWS
    assert max(errors) <= WORST[counter]


@pytest.mark.parametrize("counter", COUNTERS_S)
def test_the_interval_holds_the_truth_without_gain(counter: str) -> None:
    assert covered(o for curve in virtual.CURVES for o in outcomes(curve, counter)) >= 0.95


@pytest.mark.parametrize("busy", [0.3, 1.0])
@pytest.mark.parametrize("counter", COUNTERS_S)
def test_the_interval_holds_the_truth_on_a_busy_machine(counter: str, busy: float) -> None:
    found = [
        outcome
        for curve in virtual.CURVES
        for outcome in outcomes(curve, counter, busy=busy, windows=BUSY_WINDOWS)
    ]
    # No window may be called a fault of the device only because nobody looked.
    assert len(found) == BUSY_WINDOWS * len(virtual.CURVES)
    assert covered(found) >= 0.95


def test_a_busy_machine_widens_the_interval() -> None:
    widths = {
        busy: median(
            o.seen_j
            for curve in virtual.CURVES
            for o in outcomes(curve, "100 ms", busy=busy, windows=BUSY_WINDOWS)
        )
        for busy in (0.0, 1.0)
    }
    assert widths[1.0] > 2 * widths[0.0]


@pytest.mark.parametrize("counter", ["20 ms", "100 ms"])
def test_the_interval_is_no_wider_than_the_method(counter: str) -> None:
    # An interval that holds everything says nothing.
    for curve in virtual.CURVES:
        assert median(o.seen_j / o.truth_j for o in outcomes(curve, counter)) < 0.0005


@pytest.mark.parametrize("counter", COUNTERS_S)
def test_the_interval_holds_the_truth_with_a_gain_drawn_at_random(counter: str) -> None:
    found = [
        outcome
        for curve in virtual.CURVES
        for outcome in outcomes(curve, counter, gain_spread=virtual.GAIN.relative)
    ]
    inside = sum(outcome.error_j <= outcome.whole_j for outcome in found)
    assert inside >= 0.95 * len(found)
    # Without the gain's part it would not hold, so the part is what does it.
    assert covered(found) < 0.9


@pytest.mark.parametrize("counter", ["20 ms", "100 ms"])
@pytest.mark.parametrize("curve", ["square 0.1", "square 0.25"])
def test_power_that_shows_no_updates_still_tells_the_tail(curve: str, counter: str) -> None:
    rng = random.Random(f"silent {curve} {counter}")
    found = virtual.outcomes(rng, curve, COUNTERS_S[counter], 10, noise_w=0.0)
    assert max(o.error_j / o.truth_j for o in found) <= WORST[counter]
    assert all(o.error_j <= o.seen_j for o in found)


def codes(reading: DomainReading) -> list[ReasonCode]:
    return [finding.code for finding in reading.findings]


def measured(**changes: object) -> tuple[DomainReading, float]:
    time = virtual.VirtualTime(random.Random(7), 100_000_000_000)
    gpu = virtual.VirtualGpu(time, virtual.CURVES["square 0.25"], counter_phase_s=0.013, **changes)
    found: tuple[DomainReading, float] = virtual.measure(gpu, 5.0)
    return found


FAULTS = {
    ReasonCode.COUNTER_RESET: {"counter_at": lambda j, t: j if t < 103 else j - 1e6 - 36e3},
    ReasonCode.COUNTER_BACKWARDS: {"counter_at": lambda j, t: j if t < 103 else j - 500.0},
    ReasonCode.COUNTER_FROZEN: {"counter_at": lambda j, t: j if t < 103 else 1.2e6},
    ReasonCode.WITNESS_DISAGREES: {"counter_at": lambda j, t: 1.5 * j},
    ReasonCode.DEVICE_LOST: {"lost_at_s": 103.0},
    ReasonCode.SENSOR_UNSUPPORTED: {"has_counter": False, "power_source": None},
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_gives_no_number_and_its_own_code(code: ReasonCode) -> None:
    reading, _ = measured(**FAULTS[code])
    assert reading.joules is None
    assert reading.method is None
    assert reading.reason
    assert codes(reading) == [code]


def test_a_counter_that_never_moves_is_frozen() -> None:
    reading, _ = measured(counter_at=lambda j, t: 1e6)
    assert reading.joules is None
    assert codes(reading) == [ReasonCode.COUNTER_FROZEN]


def test_a_counter_that_nobody_looked_at_is_not_frozen() -> None:
    time = virtual.VirtualTime(random.Random(7), 100_000_000_000)
    gpu = virtual.VirtualGpu(time, virtual.CURVES["square 0.25"])
    track = DeviceTrack(gpu, virtual.learnt(gpu), time.timing.now_ns)
    await_step([track], time.timing)
    track.open()
    virtual.sample(gpu, track, 1.0)
    time.pass_s(2.0)
    track.close()
    follow_end([track], time.timing)
    reading = virtual.reading(track)
    assert codes(reading) == [ReasonCode.SAMPLE_GAP]
    assert abs(reading.joules - virtual.truth_j(gpu, track)) <= reading.uncertainty.edge_j


def test_power_that_nobody_looked_at_gives_no_number() -> None:
    time = virtual.VirtualTime(random.Random(7), 100_000_000_000)
    gpu = virtual.VirtualGpu(time, virtual.CURVES["square 0.25"], has_counter=False)
    track = DeviceTrack(gpu, virtual.learnt(gpu), time.timing.now_ns)
    track.open()
    time.pass_s(2.0)
    track.close()
    follow_end([track], time.timing)
    reading = virtual.reading(track)
    assert reading.joules is None
    assert codes(reading) == [ReasonCode.SAMPLES_MISSING]


def test_without_power_the_counter_stands_alone() -> None:
    reading, truth_j = measured(power_source=None)
    assert reading.method is EnergyMethod.COUNTER
    assert reading.joules == pytest.approx(truth_j, rel=0.02)
    assert abs(reading.joules - truth_j) <= reading.uncertainty.edge_j
    assert reading.evidence.witness_j is None
    assert reading.evidence.disagreement is None
    assert 0 < reading.evidence.longest_gap_s < 0.2


def test_averaged_power_says_how_little_it_knows_of_the_edges() -> None:
    reading, truth_j = measured(has_counter=False, power_averaging_ns=1_000_000_000)
    assert reading.method is EnergyMethod.INTEGRATED
    assert abs(reading.joules - truth_j) <= reading.uncertainty.sampling_j
    assert reading.uncertainty.sampling_j > 0.1 * truth_j


def test_a_reading_tells_what_it_rests_on() -> None:
    reading, truth_j = measured()
    evidence = reading.evidence
    assert evidence.counter_update_ms == pytest.approx(100, abs=1)
    assert evidence.power_update_ms == pytest.approx(20, abs=1)
    assert evidence.power_source == "virtual"
    assert evidence.witness_j == pytest.approx(truth_j, rel=0.05)
    assert abs(evidence.witness_j - truth_j) <= evidence.witness_uncertainty_j
    assert evidence.disagreement == pytest.approx(evidence.witness_j / reading.joules - 1)
    assert evidence.samples > 200
    assert evidence.longest_gap_s < 0.05
    assert reading.uncertainty.sampling_j is None


def test_a_window_within_one_step_of_the_counter_is_measured() -> None:
    time = virtual.VirtualTime(random.Random(3), 100_000_000_000)
    reading, truth_j = virtual.measure(virtual.VirtualGpu(time, virtual.constant(350.0)), 0.03)
    assert reading.joules == pytest.approx(truth_j, abs=0.5)
    assert abs(reading.joules - truth_j) <= reading.uncertainty.edge_j


def test_gain_is_told_by_its_own_name() -> None:
    time = virtual.VirtualTime(random.Random(3), 100_000_000_000)
    gpu = virtual.VirtualGpu(time, virtual.constant(350.0))
    reading, _ = virtual.measure(gpu, 2.0, gain=SensorGain(0.02, "a table"))
    assert reading.uncertainty.gain_j == pytest.approx(reading.joules * 0.02 / 0.98)
    assert reading.uncertainty.gain_origin == "a table"
