"""A run without an answer is no success, and says why without a Parquet reader."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Lem

CONFIG: dict[str, Any] = {
    "config_name": "unanswered",
    "model_name": "scripted",
    "backend": "echo",
    "num_prompts": 3,
    "max_output_tokens": 4,
    "warmup": {"prompts": 0},
    "energy": {"backend": "none"},
    "echo": {"fail_requests": [0, 1, 2]},
}
WHY = "none of 3 requests was answered; 3 failed with: failed, as scripted"


def test_a_run_without_an_answer_ends_in_1_and_is_kept(lem: Lem) -> None:
    done = lem("--json", "experiment", lem.write(CONFIG))
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["metrics"]["inference"]["errors"] == [{"text": "failed, as scripted", "count": 3}]
    assert result["validity"]["status"] == "invalid"
    assert done.stderr.splitlines()[-1] == f"error: {WHY}"
    assert "Traceback" not in done.stderr
    logs = lem.folder.glob("results/raw/*/logs/*.log")
    assert any(WHY in log.read_text(encoding="utf-8") for log in logs)
    shown = lem("results", "show", "latest")
    assert shown.returncode == 0
    assert "3 failed with: failed, as scripted" in shown.stdout
    (row,) = lem.json("results", "export")
    assert row["most_frequent_error"] == "failed, as scripted"
    assert row["most_frequent_error_requests"] == 3


@pytest.mark.parametrize("option", ["--no-aggregate", "--quiet"])
def test_it_is_no_success_however_little_is_shown(lem: Lem, option: str) -> None:
    done = lem("experiment", lem.write(CONFIG), option)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: {WHY}"


def test_one_answer_is_a_success_that_shows_why_the_others_failed(lem: Lem) -> None:
    done = lem("experiment", lem.write({**CONFIG, "echo": {"fail_requests": [0, 2]}}))
    assert done.returncode == 0, done.stderr
    assert "2 failed with: failed, as scripted" in done.stdout


def test_in_a_series_it_is_a_failure(lem: Lem) -> None:
    empty = lem.write(CONFIG, "empty.json")
    sound = lem.write({**CONFIG, "echo": {}}, "sound.json")
    done = lem("--json", "experiment", empty, sound)
    assert done.returncode == 1
    rows = json.loads(done.stdout)["experiments"]
    assert [row["status"] for row in rows] == ["failed", "measured"]
    assert rows[0]["error"]["message"] == WHY
    assert rows[0]["result"] is not None
