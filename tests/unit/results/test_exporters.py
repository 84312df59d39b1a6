"""Tables of results: what is not known is empty, and energy above idle stands beside the total."""

from __future__ import annotations

import csv
import io
import json

import pytest
from records import domain, raw, trace, window

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
