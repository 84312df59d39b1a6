from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.config.backend_configs import CurveSegment, ReplayConfig
from llenergymeasure.core.energy_backends.base import AdjustableSampling, SamplingEnergyBackend
from llenergymeasure.core.energy_backends.replay.backend import ReplayBackend
from llenergymeasure.domain.energy import EnergyMethod, EnergyReading, EnergyScope
from llenergymeasure.exceptions import EnergyBackendError


class VirtualClock:
    def __init__(self) -> None:
        self.now_ns = 5_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def prepared(options: ReplayConfig) -> tuple[ReplayBackend, VirtualClock]:
    clock = VirtualClock()
    backend = ReplayBackend(options, clock=clock)
    backend.prepare()
    return backend, clock


def window(backend: ReplayBackend, clock: VirtualClock, seconds: float) -> EnergyReading:
    backend.start()
    clock.advance(seconds)
    return backend.stop()


def recording(folder: Path, content: str) -> ReplayConfig:
    (folder / "power.csv").write_text(content, encoding="utf-8")
    return ReplayConfig(path="power.csv")


RAMP = ReplayConfig(curve=CurveSegment(shape="ramp", power_w=10.0, slope_w_per_s=2.0))


def test_time_begins_at_the_first_start_and_goes_on() -> None:
    backend, clock = prepared(RAMP)
    clock.advance(100)

    assert window(backend, clock, 2).domains[0].joules == pytest.approx(24)
    clock.advance(3)
    later = window(backend, clock, 1).domains[0]

    assert later.joules == pytest.approx(10 + 2 * 5.5)
    assert later.window is not None
    assert later.window.duration_s == 1
    assert later.window.start_monotonic_ns == 110_000_000_000


def test_a_forgotten_window_still_fixes_the_beginning() -> None:
    backend, clock = prepared(RAMP)
    backend.start()
    backend.close()
    clock.advance(5)

    assert window(backend, clock, 2).domains[0].joules == pytest.approx(2 * (10 + 2 * 6))


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=10))
def test_back_to_back_windows_add_up(lengths_s: list[float]) -> None:
    backend, clock = prepared(RAMP)
    total_j = sum(window(backend, clock, length).domains[0].joules or 0 for length in lengths_s)
    whole, whole_clock = prepared(RAMP)
    length_s = (clock.now_ns - whole_clock.now_ns) / 1e9

    assert total_j == pytest.approx(window(whole, whole_clock, length_s).domains[0].joules)


def test_a_reading_says_that_it_is_replayed() -> None:
    options = ReplayConfig(curve=CurveSegment(power_w=50.0), domain="cpu", scope="device")
    backend, clock = prepared(options)
    reading = window(backend, clock, 4)
    (domain,) = reading.domains

    assert reading.replayed
    assert reading.backend == "replay"
    assert reading.emissions_kg_co2 is None
    assert domain.joules == 200
    assert (domain.name, domain.scope, domain.method) == (
        "cpu",
        EnergyScope.DEVICE,
        EnergyMethod.INTEGRATED,
    )
    assert domain.origin == "replayed constant 50 W"


def test_a_recording_is_read(tmp_path: Path) -> None:
    options = recording(tmp_path, "\ufefft_s,power_w\r\n0,10\r\n\r\n2,30\r\n4,30\r\n")
    backend, clock = prepared(options)

    assert window(backend, clock, 3).domains[0].joules == pytest.approx(40 + 30)


def test_columns_may_stand_among_others(tmp_path: Path) -> None:
    options = recording(tmp_path, "gpu, power_w, t_s\nA,5,0\nA,5,9\n")
    backend, clock = prepared(options)

    assert window(backend, clock, 2).domains[0].joules == pytest.approx(10)


def test_a_window_past_the_recording_has_no_joules(tmp_path: Path) -> None:
    backend, clock = prepared(recording(tmp_path, "t_s,power_w\n0,10\n2,10\n"))
    assert window(backend, clock, 1.5).domains[0].joules == pytest.approx(15)
    (domain,) = window(backend, clock, 1).domains

    assert domain.joules is None
    assert domain.method is None
    assert domain.expected
    assert domain.reason is not None
    assert "0 s to 2 s" in domain.reason


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("t,power_w\n0,1\n", "power.csv:1: there is no column t_s"),
        ("", "power.csv:1: there is no column t_s or power_w"),
        ("t_s,power_w\n0,1\n1,x\n", "power.csv:3: 'x' is not a number"),
        ("t_s,power_w\n0,1\n\n1\n", "power.csv:4: 1 values where 2 or more are needed"),
        ("t_s,power_w\n0,1\n0,2\n", "power.csv:3: t_s 0 does not come after 0"),
        ("t_s,power_w\n0,1\n1,-2\n", "power.csv:3: power_w -2 is negative"),
        ("t_s,power_w\n0,1\n1,nan\n", "power.csv:3: 'nan' is not a finite number"),
        ("t_s,power_w\n0,1\ninf,1\n", "power.csv:3: 'inf' is not a finite number"),
        ('t_s,power_w\n0,"1\n', "power.csv:2: unexpected end of data"),
        ("t_s,power_w\n0,1\n", "power.csv holds 1 points"),
    ],
)
def test_a_malformed_recording_is_refused_with_its_line(
    tmp_path: Path, content: str, expected: str
) -> None:
    with pytest.raises(EnergyBackendError) as caught:
        prepared(recording(tmp_path, content))
    assert expected in caught.value.message
    assert caught.value.hint


def test_a_recording_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "power.csv").write_bytes(b"\x80\x81\xff")
    with pytest.raises(EnergyBackendError, match=r"power\.csv is not a text file"):
        prepared(ReplayConfig(path="power.csv"))


def test_a_missing_recording_is_named_in_full(tmp_path: Path) -> None:
    with pytest.raises(EnergyBackendError, match=f"{tmp_path}/absent.csv: No such file"):
        prepared(ReplayConfig(path="absent.csv"))


def test_an_unprepared_source_refuses_to_start() -> None:
    with pytest.raises(EnergyBackendError, match=r"call prepare\(\) first"):
        ReplayBackend(RAMP).start()


def test_samples_are_the_curve_at_the_times_of_a_sensor() -> None:
    backend, clock = prepared(RAMP)
    assert backend.samples() == ()
    window(backend, clock, 3)
    backend.sample_every(0.5)
    told = window(backend, clock, 1.2).domains[0]
    power, energy = backend.samples()

    assert told.window is not None
    start_ns = told.window.start_monotonic_ns
    assert [(at - start_ns) / 1e9 for at in power.times_ns] == [0, 0.5, 1, 1.2]
    assert (power.device, power.quantity, energy.quantity) == ("gpu", "power_w", "energy_j")
    assert power.values == pytest.approx([10 + 2 * (3 + t) for t in (0, 0.5, 1, 1.2)])
    assert energy.times_ns == power.times_ns
    assert energy.values[0] == 0
    assert energy.values[-1] == pytest.approx(told.joules)


def test_samples_end_where_the_recording_does(tmp_path: Path) -> None:
    backend, clock = prepared(recording(tmp_path, "t_s,power_w\n0,10\n2,30\n"))
    backend.sample_every(1.0)
    window(backend, clock, 3.5)
    power, _ = backend.samples()
    assert power.values == [10, 20, 30]
    window(backend, clock, 1)
    assert backend.samples() == ()


def test_replay_samples_as_the_protocols_say() -> None:
    backend, _ = prepared(RAMP)
    assert isinstance(backend, SamplingEnergyBackend)
    assert isinstance(backend, AdjustableSampling)
