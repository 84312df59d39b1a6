from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.gpu.signal.power_changes import PowerSensor
from llenergymeasure.core.energy_backends.gpu.signal.reads import PowerReads
from llenergymeasure.core.energy_backends.gpu.signal.tail import Rise, Tail, tail_energy, union
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Period, Tick

MS = 1_000_000
UPDATE_MS = 20
LOW_W, HIGH_W = 80.0, 700.0
SENSOR = PowerSensor(Period(UPDATE_MS * MS))


def shown(change_ms: float, before_w: float, after_w: float, phase_ms: float) -> PowerReads:
    """Reads every 0.5 ms of a sensor that shows a change at its next update."""
    times_ms = np.arange(-200, 200, 0.5)
    updates_ms = np.floor((times_ms - phase_ms) / UPDATE_MS) * UPDATE_MS + phase_ms
    power_w = np.where(updates_ms >= change_ms, after_w, before_w)
    times_ns = (times_ms * MS).astype(np.int64)
    return PowerReads(times_ns, times_ns, power_w)


def energy_j(
    start_ms: float, end_ms: float, change_ms: float, before: float, after: float
) -> float:
    late_ms = max(end_ms - max(change_ms, start_ms), 0.0)
    return (before * (end_ms - start_ms - late_ms) + after * late_ms) / 1e3


def rise(tick_ms: float, joules: float, slack_ms: float = 0.3) -> Rise:
    slack_ns, at_ns = int(slack_ms * MS), int(tick_ms * MS)
    tick = Tick(at_ns - slack_ns, at_ns + slack_ns, value_mj=0)
    return Rise(0, tick, int((tick_ms - 100) * MS), joules, jitter_ns=0)


@settings(max_examples=200)
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

    tail = tail_energy(rise(tick_ms, rose_j), shown(change_ms, *levels, phase_ms), SENSOR)

    # Power alone would leave up to 12 J open.
    assert tail.likely_j == pytest.approx(truth_j, abs=1.5)
    assert tail.low_j <= truth_j <= tail.high_j


def test_steady_power_leaves_only_the_blur_of_the_step() -> None:
    tail = tail_energy(rise(40.0, 35.0), shown(1e9, 350.0, 350.0, 0.0), SENSOR)
    assert tail.likely_j == pytest.approx(14.0)
    # Beside it, that the sensors of power and counter differ: by 0.5 % and 0.5 W.
    assert tail.uncertainty_j == pytest.approx(350 * 0.3e-3 + 14.0 * 0.005 + 0.5 * 0.040)


def test_a_rise_that_power_cannot_explain_widens_the_interval() -> None:
    tail = tail_energy(rise(40.0, 55.0), shown(1e9, 350.0, 350.0, 0.0), SENSOR)
    assert tail.unexplained_j == pytest.approx(20.0, abs=0.6)
    assert tail.uncertainty_j > 19.0


def test_without_power_the_counters_rate_is_taken() -> None:
    assert rise(40.0, 50.0).by_rate_j == pytest.approx(20.0)


def test_a_tail_is_cut_off_at_what_the_counter_says() -> None:
    tail = Tail(low_j=-1.0, high_j=5.0, likely_j=2.0)
    assert tail.within(0.0, 3.0) == Tail(0.0, 3.0, 2.0)
    assert tail.within(0.0, 3.0).uncertainty_j == 2.0
    # A model that leaves nothing of what the counter says is no help.
    assert tail.within(6.0, 8.0) == Tail(6.0, 8.0, 6.0)


def test_of_several_steps_before_those_count_that_explain_the_rise() -> None:
    fits, fits_too = Tail(1.0, 2.0, 1.5), Tail(3.0, 4.0, 3.5)
    no_fit = Tail(8.0, 9.0, 8.5, unexplained_j=1.0)
    assert union([fits, no_fit, fits_too]) == Tail(1.0, 4.0, 2.5)


@settings(max_examples=200)
@given(
    first_ms=st.floats(-95, 95),
    second_ms=st.floats(-95, 95),
    tick_ms=st.floats(1, 99),
    phase_ms=st.floats(0, UPDATE_MS),
    gap=st.tuples(st.floats(-150, 150), st.floats(0, 80).filter(lambda ms: not 19 < ms < 25)),
)
# Up just after an update that was seen, down just before one: for longer than nobody looked.
@example(first_ms=0.0, second_ms=42.0, tick_ms=42.0, phase_ms=2.0, gap=(2.0, 40.0))
def test_what_comes_and_goes_and_is_read_late_is_within_the_interval(
    first_ms: float, second_ms: float, tick_ms: float, phase_ms: float, gap: tuple[float, float]
) -> None:
    up_ms, down_ms = sorted((first_ms, second_ms))
    pulse = (HIGH_W, LOW_W) if down_ms - up_ms < UPDATE_MS else (LOW_W, HIGH_W)
    down_ms = max(down_ms, up_ms + UPDATE_MS + 1)

    def during_j(start_ms: float, end_ms: float) -> float:
        back_ms = max(end_ms - max(down_ms, start_ms), 0.0)
        return energy_j(start_ms, end_ms, up_ms, *pulse) - back_ms * (pulse[1] - pulse[0]) / 1e3

    power = shown(up_ms, *pulse, phase_ms)
    power.power_w[:] += shown(down_ms, 0.0, pulse[0] - pulse[1], phase_ms).power_w
    # Both levels were there before, long ago: what was never seen, nobody can reckon with.
    power.power_w[:] -= shown(-170, pulse[0] - pulse[1], 0.0, phase_ms).power_w
    at_ms = power.before_ns / MS
    looked = (at_ms < gap[0]) | (at_ms > gap[0] + gap[1])
    reads = PowerReads(power.before_ns[looked], power.after_ns[looked], power.power_w[looked])
    tail = tail_energy(rise(tick_ms, during_j(tick_ms - 100, tick_ms)), reads, SENSOR)
    assert tail.low_j <= during_j(0, tick_ms) <= tail.high_j
