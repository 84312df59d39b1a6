from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.observations import PowerReads
from llenergymeasure.core.energy_backends.power_integral import PowerSensor
from llenergymeasure.core.energy_backends.tail import Rise, tail_by_rate, tail_energy
from llenergymeasure.core.energy_backends.ticks import Tick

MS = 1_000_000
UPDATE_MS = 20
LOW_W, HIGH_W = 80.0, 700.0


def shown(change_ms: float, before_w: float, after_w: float, phase_ms: float) -> PowerReads:
    """Reads every 0.5 ms of a sensor that shows a change at its next update."""
    times_ms = np.arange(-200, 200, 0.5)
    updates_ms = np.floor((times_ms - phase_ms) / UPDATE_MS) * UPDATE_MS + phase_ms
    power_w = np.where(updates_ms >= change_ms, after_w, before_w)
    return PowerReads((times_ms * MS).astype(np.int64), power_w)


def energy_j(
    start_ms: float, end_ms: float, change_ms: float, before: float, after: float
) -> float:
    late_ms = max(end_ms - max(change_ms, start_ms), 0.0)
    return (before * (end_ms - start_ms - late_ms) + after * late_ms) / 1e3


def rise(tick_ms: float, joules: float, slack_ms: float = 0.3) -> Rise:
    tick = Tick(at_ns=int(tick_ms * MS), slack_ns=int(slack_ms * MS), value_mj=0)
    return Rise(0, tick, int((tick_ms - 100) * MS), joules, jitter_ns=0)


@settings(deadline=None, max_examples=200)
@given(
    change_ms=st.floats(-150, 150),
    tick_ms=st.floats(1, 99),
    phase_ms=st.floats(0, UPDATE_MS),
    up=st.booleans(),
)
def test_one_change_is_placed_by_the_counters_rise(
    change_ms: float, tick_ms: float, phase_ms: float, up: bool
) -> None:
    levels = (LOW_W, HIGH_W) if up else (HIGH_W, LOW_W)
    rose_j = energy_j(tick_ms - 100, tick_ms, change_ms, *levels)
    truth_j = energy_j(0, tick_ms, change_ms, *levels)
    sensor = PowerSensor(UPDATE_MS * MS)

    tail = tail_energy(rise(tick_ms, rose_j), shown(change_ms, *levels, phase_ms), sensor)

    # Power alone would leave up to 12 J open.
    assert tail.joules == pytest.approx(truth_j, abs=1.5)
    assert abs(tail.joules - truth_j) <= tail.uncertainty_j + 1e-3


def test_steady_power_leaves_only_the_blur_of_the_step() -> None:
    tail = tail_energy(rise(40.0, 35.0), shown(1e9, 350.0, 350.0, 0.0), PowerSensor(UPDATE_MS * MS))
    assert tail.joules == pytest.approx(14.0)
    assert tail.uncertainty_j == pytest.approx(350 * 0.3e-3)


def test_a_rise_that_power_cannot_explain_widens_the_interval() -> None:
    power, sensor = shown(1e9, 350.0, 350.0, 0.0), PowerSensor(UPDATE_MS * MS)
    tail = tail_energy(rise(40.0, 55.0), power, sensor)
    assert tail.misfit_j == pytest.approx(20.0)
    assert tail.uncertainty_j > 19.0


def test_without_power_the_counters_rate_is_taken_and_all_of_it_is_open() -> None:
    tail = tail_by_rate(rise(40.0, 50.0))
    assert tail.joules == pytest.approx(20.0)
    # The rise may have come all before the end, or all after it.
    assert tail.uncertainty_j == pytest.approx(30.0)
