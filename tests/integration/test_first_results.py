"""Results that the first version of lem saved (0.1.0, commit b290ea1) are read and aggregated."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from .conftest import call

SAVED = Path(__file__).parents[1] / "fixtures" / "first_results"
ID = "20261126-130801-727962-246c"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SAVED, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_ENERGY_RESULTS_DIR", str(tmp_path / "results"))
    monkeypatch.setenv("LLM_ENERGY_STATE_DIR", str(tmp_path / ".state"))
    return tmp_path


@pytest.mark.parametrize("name", ["list", "show latest", "timeseries latest", "export --raw"])
def test_they_are_shown(name: str) -> None:
    code, out, err = call("results", *name.split())
    assert code == 0, err
    assert out


def test_what_they_do_not_tell_is_missing_and_not_zero() -> None:
    code, out, err = call("--json", "results", "show", ID)
    assert code == 0, err
    result = json.loads(out)
    assert result["metrics"]["energy"]["total_j"] == pytest.approx(1.6476, abs=1e-3)
    assert result["metrics"]["inference"]["tokenization_s"] is None
    (row,) = csv.DictReader(io.StringIO(call("results", "export", "--format", "csv")[1]))
    assert row["validity"] == "degraded"
    assert row["tokenization_s"] == ""


def test_they_can_be_aggregated_again(place: Path) -> None:
    aggregated = place / "results" / "aggregated" / f"{ID}.json"
    before = json.loads(aggregated.read_text())
    aggregated.unlink()
    code, _, err = call("--yes", "aggregate", ID)
    assert code == 0, err
    after = json.loads(aggregated.read_text())
    for key in ("total_j", "j_per_output_token", "uncertainty_j"):
        assert after["metrics"]["energy"][key] == pytest.approx(before["metrics"]["energy"][key])
