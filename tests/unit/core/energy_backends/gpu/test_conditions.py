from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.gpu.conditions import conditions_of, series_of
from llenergymeasure.core.energy_backends.gpu.telemetry import Telemetry
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack, Rhythm
from llenergymeasure.domain.samples import SampleSeries

MS = 1_000_000


class Sensor:
    """Counts 100 mJ a read; its power rises by 1 W a read."""

    has_counter, power_source, power_averaging_ns, lost = True, "power", 0, None

    def __init__(self, counter_mj: Sequence[int]) -> None:
        self._counter_mj, self._power_mw = list(counter_mj), 0

    def counter_mj(self) -> int:
        return self._counter_mj.pop(0)

    def power_mw(self) -> int:
        self._power_mw += 1000
        return self._power_mw


class State:
    quantities = ("temperature_c",)

    def __init__(self) -> None:
        self._c = 39.0

    def read(self) -> list[float]:
        self._c += 1
        return [self._c]


def watched(counter_mj: Sequence[int], every_ms: int = 20) -> tuple[DeviceTrack, Telemetry]:
    """Two reads to find the start, then one every so often; the last one is the end."""
    now = [0]
    track = DeviceTrack(Sensor(counter_mj), Rhythm(), lambda: now[0])  # type: ignore[arg-type]
    telemetry = Telemetry(State(), None, lambda: now[0])  # type: ignore[arg-type]
    track.observe()
    now[0] += MS
    track.observe()
    track.open()
    for _ in counter_mj[3:]:
        now[0] += every_ms * MS
        track.observe()
        telemetry.look()
    now[0] += every_ms * MS
    track.close()
    now[0] += MS
    telemetry.look()
    return track, telemetry


def told(track: DeviceTrack, telemetry: Telemetry, every_ms: int | None) -> dict[str, Any]:
    every_ns = None if every_ms is None else every_ms * MS
    found: list[SampleSeries] = list(series_of("gpu:0", track, telemetry, every_ns))
    assert {one.device for one in found} == {"gpu:0"}
    return {one.quantity: one for one in found}


def test_energy_counts_from_the_start_and_all_lies_within_the_window() -> None:
    track, telemetry = watched([1000, 1100, 1200, 1300, 1400])
    series = told(track, telemetry, None)
    assert list(series["energy_j"].values) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert set(series) == {"energy_j", "power_w", "temperature_c"}
    for one in series.values():
        assert all(track.start_ns <= at <= track.end_ns for at in one.times_ns)
    # The look after the end is for the gate alone.
    assert len(series["temperature_c"].values) == 2


@pytest.mark.parametrize("counter_mj", [[1000, 1100, 5, 105], [1000] * 5])
def test_a_counter_that_fell_or_never_stepped_gives_no_energy(counter_mj: list[int]) -> None:
    assert "energy_j" not in told(*watched(counter_mj), None)


@given(st.integers(2, 60), st.integers(1, 40), st.integers(1, 200))
def test_thinning_keeps_about_one_sample_a_stretch(
    reads: int, every_ms: int, stretch_ms: int
) -> None:
    track, telemetry = watched([100 * i for i in range(reads + 2)], every_ms)
    whole, thin = (told(track, telemetry, one)["power_w"] for one in (None, stretch_ms))
    pairs = list(zip(whole.times_ns, whole.values, strict=True))
    assert set(zip(thin.times_ns, thin.values, strict=True)) <= set(pairs)
    assert thin.times_ns[0] == whole.times_ns[0]
    span_ms = (whole.times_ns[-1] - whole.times_ns[0]) / MS
    assert len(thin.values) <= span_ms / stretch_ms + 2
    # No stretch that had a sample has lost all of them.
    gaps = [b - a for a, b in zip(thin.times_ns, thin.times_ns[1:], strict=False)]
    assert all(gap < (2 * stretch_ms + every_ms) * MS for gap in gaps)


def test_a_summary_is_of_the_window_alone() -> None:
    found = conditions_of("gpu:0", "GPU-1", *watched([1000, 1100, 1200, 1300, 1400]))
    assert found.temperature_c is not None and found.power_w is not None
    assert (found.temperature_c.min, found.temperature_c.max, found.temperature_c.n) == (40, 41, 2)
    assert found.power_w.mean == pytest.approx((found.power_w.min + found.power_w.max) / 2)
    assert found.sm_percent is None and found.power_limit_w is None
    assert found.processes is None and found.foreign_processes is None
