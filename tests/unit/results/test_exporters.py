"""Tables of results: what is not known is empty, and energy above idle stands beside the total."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from records import ESTIMATED, domain, raw, trace, window

from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod, DomainBaseline
from llenergymeasure.domain.experiment import (
    AggregatedResult,
    RawProcessResult,
    WarmupInfo,
    WarmupMode,
)
from llenergymeasure.results.aggregation import aggregate
from llenergymeasure.results.exporters import experiment_row, export_table, process_row

IDLE = DomainBaseline(
    name="cpu",
    level=BaselineLevel.CONTEXT,
    method=BaselineMethod.CACHED,
    power_w=10.0,
    spread_w=0.5,
    uncertainty_w=0.0,
)
WARM = WarmupInfo(
    prompts=16,
    duration_s=2.5,
    mode=WarmupMode.CONVERGED,
    iterations=8,
    final_cv=0.01,
    target_cv=0.05,
    converged=True,
)


def measured(**changes: object) -> RawProcessResult:
    reading = domain(100.0, window=window(duration_s=3.0), uncertainty_j=2.0)
    return raw(domains=[reading], warmup=WARM, **changes)  # type: ignore[arg-type]


def aggregated(one: RawProcessResult) -> AggregatedResult:
    return aggregate(
        [one],
        {(1, 0): [trace(0), trace(1)]},
        planned_cycles=1,
        config={},
        provenance={},
        created_at=one.created_at,
    )


def test_an_experiment_has_its_energy_above_idle_and_its_warm_up() -> None:
    row = experiment_row(aggregated(measured(baseline=(IDLE,))))
    assert row["energy_total_j"] == 100.0
    assert row["energy_marginal_j"] == 70.0
    assert row["energy_marginal_uncertainty_j"] == 2.0
    assert row["energy_idle_j"] == 30.0
    assert row["energy_idle_level"] == "context"
    assert row["energy_baseline_reason"] is None
    names = ("mode", "prompts", "iterations", "duration_s", "final_cv", "converged")
    assert [row[f"warmup_{name}"] for name in names] == ["converged", 16, 8, 2.5, 0.01, True]


def test_without_an_idle_power_the_cells_are_empty() -> None:
    row = experiment_row(aggregated(measured()))
    assert row["energy_total_j"] == 100.0
    for name in ("marginal_j", "marginal_uncertainty_j", "idle_j", "idle_level"):
        assert row[f"energy_{name}"] is None
    assert row["energy_baseline_reason"] == "no idle baseline was measured"


def test_a_process_has_the_idle_power_of_each_domain() -> None:
    row = process_row(measured(baseline=(IDLE,)))
    assert (row["energy_cpu_j"], row["energy_cpu_idle_w"]) == (100.0, 10.0)
    assert row["energy_cpu_idle_spread_w"] == 0.5
    assert (row["energy_cpu_idle_level"], row["energy_cpu_idle_method"]) == ("context", "cached")


def test_a_domain_that_holds_others_says_so() -> None:
    psys = domain(150.0, "psys", counted=False)
    row = process_row(raw(domains=[domain(100.0), psys]))
    assert (row["energy_cpu_counted"], row["energy_psys_counted"]) == (True, False)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_every_format_tells_the_same(form: str) -> None:
    import pyarrow.parquet as pq

    rows = [experiment_row(aggregated(measured(baseline=b))) for b in ((IDLE,), ())]
    content = export_table(rows, form)
    read = {
        "csv": lambda: list(csv.DictReader(io.StringIO(content.decode()))),
        "json": lambda: json.loads(content),
        "parquet": lambda: pq.read_table(io.BytesIO(content)).to_pylist(),
    }
    first, second = read[form]()
    assert float(first["energy_marginal_j"]) == 70.0
    assert second["energy_marginal_j"] in (None, "")
    assert first["warmup_mode"] == "converged"
    assert first["energy_idle_level"] == "context"


def rows_of_all_kinds() -> list[dict[str, object]]:
    psys = domain(150.0, "psys", counted=False)
    estimate = domain(5.0, "ram", method=ESTIMATED, uncertainty_j=2.0)
    one = raw(domains=[domain(100.0, uncertainty_j=2.0), psys, estimate], baseline=(IDLE,))
    lost = raw(domains=[domain(None), domain(1.0, "ram")])
    return [experiment_row(aggregated(r)) for r in (one, lost)] + [
        process_row(r) for r in (one, lost)
    ]


# Parts of an interval or of a spread; they belong to the column that they are named after.
OF_A_COLUMN = re.compile(r"_(uncertainty|spread_(std|uncertainty|low|high))_j$|_uncertainty$")


@pytest.mark.parametrize("row", rows_of_all_kinds(), ids=["whole", "lost", "raw", "raw lost"])
def test_joules_never_stand_without_an_interval_and_an_origin(row: dict[str, object]) -> None:
    columns = [
        name
        for name in row
        if (name.endswith("_j") or name.startswith("j_per_"))
        and not OF_A_COLUMN.search(name)
        and not name.endswith("_origin")
    ]
    assert "energy_total_j" in columns
    for name in columns:
        stem = name.removesuffix("_j")
        half = f"{stem}_uncertainty_j" if name.endswith("_j") else f"{stem}_uncertainty"
        assert half in row, name
        assert (row[name] is None) == (row[f"{stem}_origin"] is None), name
        assert row[name] is not None or row[half] is None, name
    assert row["validity"]
    assert "validity_reasons" in row


def test_a_process_has_a_total_with_interval_and_verdict() -> None:
    row = process_row(measured())
    assert (row["energy_total_j"], row["energy_total_uncertainty_j"]) == (100.0, 2.0)
    assert (row["energy_cpu_uncertainty_j"], row["energy_cpu_origin"]) == (2.0, "measured")
    assert (row["validity"], row["validity_reasons"]) == ("valid", "")
    lost = process_row(raw(domains=[domain(None)]))
    assert (lost["energy_total_j"], lost["validity"]) == (None, "invalid")
    assert lost["validity_reasons"] == "energy_unavailable"
    replayed = process_row(measured(energy={"replayed": True}))
    assert (replayed["energy_total_origin"], replayed["validity"]) == ("replayed", "degraded")


def test_an_experiment_has_the_mean_of_its_cycles_with_both_intervals() -> None:
    cycles = [
        raw(c, domains=[domain(10.0 + c, uncertainty_j=2.0)], start_s=10.0 * c) for c in (1, 2, 3)
    ]
    row = experiment_row(
        aggregate(
            cycles,
            {(c, 0): [trace(0), trace(1)] for c in (1, 2, 3)},
            planned_cycles=3,
            config={},
            provenance={},
            created_at=cycles[0].created_at,
        )
    )
    assert (row["energy_total_j"], row["energy_per_cycle_j"]) == (36.0, 12.0)
    assert (row["energy_per_cycle_n"], row["energy_per_cycle_uncertainty_j"]) == (3, 2.0)
    assert row["energy_per_cycle_spread_std_j"] == 1.0
    low, high = row["energy_per_cycle_spread_low_j"], row["energy_per_cycle_spread_high_j"]
    assert (low + high) / 2 == pytest.approx(12.0)
    assert (high - low) / 2 == pytest.approx(row["energy_per_cycle_spread_uncertainty_j"])
    assert row["cycles.j_per_output_token.mean"] == pytest.approx(12.0 / 7)
    assert row["cycles.output_tokens_per_s.n"] == 3


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula_in_a_csv_file(text: str) -> None:
    row = process_row(measured(config_name=text)) | {text: text, "number": -1.5}
    content = export_table([row], "csv").decode()
    header, cells = csv.reader(io.StringIO(content, newline=""))
    told = dict(zip(header, cells, strict=True))
    assert told["config_name"] == told[f"'{text}"] == f"'{text}"
    assert told["number"] == "-1.5"
    assert not any(cell.startswith(tuple("=+@\t\r\n")) for cell in [*header, *cells])
    (plain,) = json.loads(export_table([row], "json"))
    assert plain["config_name"] == text
