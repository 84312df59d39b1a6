"""Time series from a config to a plot: what was sampled is kept, shown and exported."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from llenergymeasure.cli import main

from .conftest import Lem
from .warm import WarmLem

CURVE = {"shape": "square", "power_w": 300, "low_w": 80, "period_s": 0.2}


def config(**changes: Any) -> dict[str, Any]:
    return {
        "config_name": "curve",
        "model_name": "echo",
        "backend": "echo",
        "echo": {"per_token_s": 0.01},
        "num_prompts": 2,
        "max_output_tokens": 16,
        "num_cycles": 2,
        "warmup": {"prompts": 0},
        "energy": {"backend": "replay", "replay": {"curve": CURVE}},
        "timeseries": {"sample_interval_ms": 50},
        **changes,
    }


def run(lem: Lem, **changes: Any) -> Path:
    """Measure once; returns the folder of the raw files."""
    done = lem("experiment", lem.write(config(**changes)))
    assert done.returncode == 0, done.stderr
    (folder,) = (lem.folder / "results" / "raw").iterdir()
    return folder


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, warm: WarmLem) -> Path:
    """A folder in which one experiment was measured; each test works in a copy."""
    lem = Lem(tmp_path_factory.mktemp("measured"), warm.command, warm)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LLM_ENERGY_RESULTS_DIR", raising=False)
        patch.delenv("LLM_ENERGY_STATE_DIR", raising=False)
        run(lem)
    return lem.folder / "results"


@pytest.fixture
def there(lem: Lem, measured: Path) -> tuple[Lem, Path]:
    """The command, and the raw files of an experiment with two cycles."""
    shutil.copytree(measured, lem.folder / "results")
    (folder,) = (lem.folder / "results" / "raw").iterdir()
    return lem, folder


def stored(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(file.read_bytes())).to_pylist()
    return rows


def test_every_format(there: tuple[Lem, Path]) -> None:
    lem, folder = there
    for name in ("x.png", "x.svg", "x.pdf", "x.html", "x.csv"):
        done = lem("results", "timeseries", "latest", "--requests", "-o", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert name in done.stdout

    png = (lem.folder / "x.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(png) > 20_000
    root = ElementTree.fromstring((lem.folder / "x.svg").read_bytes())
    texts = {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"power (W)", "energy (J)", "requests in flight"} <= texts
    assert {"time since the window's start (s)", f"curve {folder.name} (replayed)"} <= texts
    assert {"gpu cycle 1 (replayed)", "gpu cycle 2 (replayed)"} <= texts
    assert (lem.folder / "x.pdf").read_bytes().startswith(b"%PDF-1.")
    page = (lem.folder / "x.html").read_text(encoding="utf-8")
    assert "<script src" not in page
    assert "power (W)" in page


def test_csv_holds_the_rows_of_the_parquet_files(there: tuple[Lem, Path]) -> None:
    lem, folder = there
    assert lem("results", "timeseries", "latest", "-o", "x.csv").returncode == 0
    text = (lem.folder / "x.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    expected = [
        {"cycle": cycle, **row}
        for cycle in (1, 2)
        for row in stored(folder / f"cycle_{cycle}" / "timeseries_0.parquet")
    ]
    assert len(expected) > 10
    assert [
        {
            "cycle": int(row["cycle"]),
            "t_s": float(row["t_s"]),
            "t_monotonic_ns": int(row["t_monotonic_ns"]),
            "device": row["device"],
            "quantity": row["quantity"],
            "value": float(row["value"]),
        }
        for row in rows
    ] == expected
    assert {row["origin"] for row in rows} == {"replayed"}
    piped = lem("results", "timeseries", "latest", "--format", "csv")
    assert piped.stdout == text

    # It is the curve that was replayed, at the times of the samples. The curve begins with the
    # source's own window, which opens before that of the run: on a busy machine well before it.
    raw = json.loads((folder / "cycle_1" / "process_0.json").read_text(encoding="utf-8"))
    (domain,) = raw["energy"]["domains"]
    begin_ns = domain["window"]["start_monotonic_ns"]
    power = [row for row in expected if row["quantity"] == "power_w" and row["cycle"] == 1]
    for row in power:
        at_s = (row["t_monotonic_ns"] - begin_ns) / 1e9
        assert row["value"] == (300.0 if at_s % 0.2 < 0.1 else 80.0) or (
            min(at_s % 0.1, 0.1 - at_s % 0.1) < 0.001
        )


def test_a_table_says_what_there_is_and_options_choose_from_it(there: tuple[Lem, Path]) -> None:
    lem, folder = there
    said = lem.json("results", "timeseries", folder.name)
    assert [(s["cycle"], s["device"], s["quantity"], s["origin"]) for s in said["series"]] == [
        (cycle, "gpu", quantity, "replayed")
        for cycle in (1, 2)
        for quantity in ("power_w", "energy_j")
    ]
    assert [s["interval_s"] for s in said["series"]] == pytest.approx([0.05] * 4)
    energies = [s["max"] for s in said["series"] if s["quantity"] == "energy_j"]
    result = lem.json("results", "show", "latest")
    assert sum(energies) == pytest.approx(result["metrics"]["energy"]["total_j"])

    some = lem.json("results", "timeseries", folder.name, "--cycle", "2", "--quantity", "power_w")
    assert [(s["cycle"], s["quantity"]) for s in some["series"]] == [(2, "power_w")]
    table = lem("results", "timeseries", folder.name).stdout
    assert "replayed" in table
    assert f"lem results timeseries {folder.name} -o FILE.png" in table


def test_nothing_is_kept_where_nothing_is_wanted(lem: Lem) -> None:
    folder = run(lem, timeseries={"save": False}, num_cycles=1)
    assert list(folder.rglob("timeseries*")) == []
    done = lem("results", "timeseries", "latest")
    assert done.returncode == 2
    assert "no time series was saved" in done.stderr
    assert "timeseries.save" in done.stderr


def test_wrong_words_are_told_with_what_there_is(
    there: tuple[Lem, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    lem, _ = there
    for words, expected in {
        ("nosuch",): "there is no experiment 'nosuch'",
        ("latest", "--cycle", "3"): "there is no cycle 3",
        ("latest", "--process", "1"): "there is no process 1",
        ("latest", "--quantity", "watts"): "power_w, energy_j",
        ("latest", "--device", "gpu:9"): "no device 'gpu:9' was sampled",
        ("latest", "-o", "x.gif"): ".png, .svg, .pdf, .html, .csv",
        ("latest", "-o", "x"): "without a suffix",
        ("latest", "--format", "png"): "--output",
    }.items():
        # In this process: starting one for each takes longer than all else here.
        assert main(["results", "timeseries", *words]) == 2
        said = capfd.readouterr()
        assert said.out == ""
        assert expected in said.err
    (lem.folder / "there.csv").write_text("mine")
    done = lem("results", "timeseries", "latest", "-o", "there.csv")
    assert done.returncode == 2
    assert (lem.folder / "there.csv").read_text() == "mine"


def test_a_result_without_its_series_still_counts(there: tuple[Lem, Path]) -> None:
    lem, folder = there
    lost = folder / "cycle_1" / "timeseries_0.parquet"
    lost.unlink()
    rows = lem.json("results", "export", "latest", "--raw")
    assert [row["cycle"] for row in rows] == [1, 2]
    assert all(row["energy_gpu_j"] > 0 for row in rows)
    done = lem("results", "timeseries", "latest")
    assert done.returncode == 1
    assert str(lost.relative_to(lem.folder)) in done.stderr
