from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import ESTIMATED, domain, gpu, raw, trace

from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.results.plots.tracks import (
    Track,
    as_csv,
    count_in_flight,
    origin_of,
    summary,
)
from llenergymeasure.security import plain_text

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


def track(values: list[float], name: str = "gpu:0", quantity: str = "power_w") -> Track:
    times_ns = [5_000_000_000 + 100_000_000 * i for i in range(len(values))]
    return Track(2, 1, 5_000_000_000, SampleSeries(name, quantity, times_ns, values))


def test_a_series_in_one_line() -> None:
    found = summary(track([1.0, 5.0, 3.0]))
    assert (found.min, found.mean, found.max, found.samples) == (1, 3, 5, 3)
    assert found.interval_s == pytest.approx(0.1)
    assert (found.cycle, found.process_index, found.device) == (2, 1, "gpu:0")
    assert summary(track([1.0])).interval_s is None


@given(st.lists(st.tuples(NAMES, st.lists(FLOATS, min_size=1, max_size=5)), min_size=1, max_size=4))
def test_a_csv_file_holds_every_sample_exactly(series: list[tuple[str, list[float]]]) -> None:
    tracks = [track(values, name) for name, values in series]
    rows = list(csv.DictReader(io.StringIO(as_csv(tracks).decode(), newline="")))
    assert [(row["device"], float(row["value"])) for row in rows] == [
        (plain_text(name), value) for name, values in series for value in values
    ]
    assert [int(row["t_monotonic_ns"]) for row in rows] == [
        at_ns for one in tracks for at_ns in one.series.times_ns
    ]
    assert [float(row["t_s"]) for row in rows] == [t for one in tracks for t in one.times_s]
    assert {(row["cycle"], row["process_index"], row["quantity"]) for row in rows} == {
        ("2", "1", "power_w")
    }


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_name_is_a_formula_in_a_csv_file(name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([track([-1.5], name, name)]).decode()))
    assert row["device"] == row["quantity"] == f"'{name}"
    assert row["value"] == "-1.5"


def test_plain_names_are_not_quoted() -> None:
    assert as_csv([track([1.5])]).decode().splitlines() == [
        "cycle,process_index,t_s,t_monotonic_ns,device,quantity,value,origin",
        "2,1,0,5000000000,gpu:0,power_w,1.5,",
    ]


def test_what_was_not_measured_is_called_so() -> None:
    mixed = raw(domains=[gpu(name="gpu:0"), domain(name="cpu:0", method=ESTIMATED)]).energy

    def origin(device: str, quantity: str, reading: EnergyReading = mixed) -> str | None:
        return origin_of(SampleSeries(device, quantity, [], []), reading)

    assert origin("gpu:0", "power_w") is None
    assert origin("cpu:0", "power_w") == origin("cpu:0", "energy_j") == "estimated"
    assert origin("cpu:0", "cpu_percent") is None
    assert origin("another", "power_w") is None
    assert origin("gpu:0", "power_w", raw(energy={"replayed": True}).energy) == "replayed"


def test_requests_in_flight_rise_and_fall() -> None:
    traces = [
        trace(0, dispatch_ns=10, return_ns=30),
        trace(1, dispatch_ns=10, return_ns=20),
        trace(2, dispatch_ns=20, return_ns=40, failed=True),
    ]
    found = count_in_flight(traces)
    assert list(zip(found.times_ns, found.values, strict=True)) == [
        (10, 2),
        (20, 2),
        (30, 1),
        (40, 0),
    ]
    assert count_in_flight([]).times_ns == []
