"""What disturbs an idle power, and when a stored one is still true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idle_source import IdleSource, VirtualTime

from llenergymeasure.core.idle.power import (
    IdlePower,
    disturbances,
    idle_power,
    still_true,
    unsteadiness,
)
from llenergymeasure.domain.environment import LoadSample, MachineLoad

WATTS = st.floats(0, 1000)


@given(WATTS, WATTS)
def test_a_power_agrees_with_itself_and_the_further_off_the_less(watts: float, off: float) -> None:
    assert still_true(watts, 0.0, watts)
    if not still_true(watts, 0.0, watts + off):
        assert not still_true(watts, 0.0, watts + 2 * off)


@pytest.mark.parametrize(
    ("stored_w", "spread_w", "seen_w", "same"),
    [
        (10.0, 0.0, 12.0, True),  # 2 W
        (10.0, 0.0, 12.1, False),
        (100.0, 0.0, 105.0, True),  # 5 %
        (100.0, 0.0, 105.1, False),
        (100.0, 4.0, 112.0, True),  # 3 spreads
        (100.0, 4.0, 87.9, False),
    ],
)
def test_bounds(stored_w: float, spread_w: float, seen_w: float, same: bool) -> None:
    assert still_true(stored_w, spread_w, seen_w) is same


@given(st.lists(st.floats(0.1, 60), min_size=1, max_size=8), st.floats(0.1, 1000))
def test_constant_power_is_found_whatever_the_windows(seconds: list[float], watts: float) -> None:
    time = VirtualTime()
    source = IdleSource(time, {"gpu:0": watts})
    readings = []
    for length in seconds:
        source.start()
        time.sleep(length)
        readings.append(source.stop())
    found = idle_power(readings[0].domains[0], readings)
    assert isinstance(found, IdlePower)
    assert found.power_w == pytest.approx(watts)
    assert found.spread_w == pytest.approx(0.0, abs=watts * 1e-6)
    assert found.duration_s == pytest.approx(sum(seconds))


def test_one_window_has_no_spread() -> None:
    assert IdlePower(60.0, 0.0, 2.0, 1).uncertainty_w == 0.0


def load(other_cores: float | None) -> MachineLoad:
    return MachineLoad(during=LoadSample(interval_s=30, own_cores=0.1, other_cores=other_cores))


@pytest.mark.parametrize(
    ("name", "other_cores", "told"),
    [("cpu", 1.5, 1), ("cpu", 0.1, 0), ("cpu", None, 0), ("gpu:0", 1.5, 0)],
)
def test_a_busy_machine_is_not_idle(name: str, other_cores: float | None, told: int) -> None:
    source = IdleSource(VirtualTime(), {name: 60.0})
    source.start()
    source.time.sleep(1)
    reading = source.stop()
    found = list(disturbances(reading.domains[0], [reading], load(other_cores)))
    assert len(found) == told
    assert all("1.50 cores busy" in reason.detail for reason in found)


def test_ten_percent_are_steady() -> None:
    assert not list(unsteadiness("gpu:0", 100.0, 10.0))
    assert list(unsteadiness("gpu:0", 100.0, 10.1))
    assert not list(unsteadiness("ram", 0.0, 0.0))
