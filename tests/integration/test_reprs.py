"""What a console and a notebook show of a meter and of results: a line or a table, no wall."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

import llenergymeasure
from llenergymeasure import AggregatedResult, EnergyMeter
from llenergymeasure.cli.display.result import result_rows
from llenergymeasure.domain.brief import Brief
from llenergymeasure.orchestration.metering.command import measure_command

WATTS = {"curve": {"power_w": 50.0}}
HOSTILE = "<script>alert('1')</script>"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AggregatedResult:
    config = {
        "config_name": "brief",
        "model_name": "m",
        "backend": "echo",
        "num_prompts": 2,
        "num_cycles": 2,
        "max_output_tokens": 3,
        "energy": {"backend": "replay", "replay": WATTS},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLM_ENERGY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        return llenergymeasure.run_experiment(config, results_dir=tmp_path_factory.mktemp("r"))


def check(shown: Brief, *words: str) -> None:
    line = repr(shown)
    assert line == str(shown)
    assert line.startswith(f"<{type(shown).__name__} ")
    assert len(line) < 400
    assert "\n" not in line
    table = ElementTree.fromstring(shown._repr_html_())
    cells = " ".join("".join(cell.itertext()) for cell in table.iter())
    for word in words:
        assert word in line
        assert word in cells


def test_a_meter_says_what_it_does_and_what_it_found() -> None:
    meter = EnergyMeter("replay", WATTS)
    check(meter, "replay", "has measured nothing yet")
    meter.start()
    check(meter, "measuring")
    meter.stop()
    check(meter, "J (replayed)", "degraded")
    check(meter.energy, "J (replayed)")
    check(meter.reading, "J (replayed)")
    check(meter.reading.domains[0], "J")
    meter.close()


def test_no_number_is_shown_as_none_with_its_reason() -> None:
    with EnergyMeter("none") as meter:
        pass
    check(meter.energy, ["total", "none"][1], "energy was not measured")
    check(meter, "none")


def test_an_estimate_is_called_one() -> None:
    measured = measure_command(["sh", "-c", "sleep 0.05; : " + "x" * 5000], "estimate")
    check(measured, "sh -c", "exit code", "(estimated)")
    check(measured.energy, "(estimated)")


def test_a_result_tells_the_most_of_it(result: AggregatedResult) -> None:
    check(result, result.experiment_id, "2 cycles", "J (replayed)", result.validity.status)
    hostile = result.model_copy(update={"config_name": HOSTILE})
    assert "<script" not in hostile._repr_html_()


def test_the_spread_over_cycles_has_attributes(result: AggregatedResult) -> None:
    spread = result.cycles.stats
    assert spread.total_j is not None
    assert spread.total_j.n == 2
    stored = result.model_dump(mode="json")
    assert set(stored["cycles"]["stats"]) >= {"total_j", "duration_s", "e2e_ms_mean"}
    # A result of an older version may lack a quantity.
    del stored["cycles"]["stats"]["marginal_j"]
    assert AggregatedResult.model_validate(stored).cycles.stats.marginal_j is None


def test_every_sum_over_cycles_is_called_one(result: AggregatedResult) -> None:
    told: dict[str, str] = {}
    for label, value in result_rows(result):
        told.setdefault(label.strip(), value)
    for name in ("Requests", "Tokens", "Time"):
        assert "sum of 2 cycles" in told[name], name
    assert "sum of 2 cycles" in told and "sum" not in told["Energy per cycle"]
    assert "sum of 2 cycles" in repr(result)
