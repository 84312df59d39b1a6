"""The commands on real experiments, as a user or a script runs them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import TIMEOUT_S, Lem

CONFIG: dict[str, Any] = {
    "config_name": "quick",
    "model_name": "scripted",
    "backend": "echo",
    "num_prompts": 4,
    "max_output_tokens": 3,
    "warmup": {"prompts": 2},
    "energy": {"backend": "replay", "replay": {"curve": {"power_w": 50.0}}},
    "echo": {"batch_size": 2, "per_token_s": 0.01},
}


def test_an_experiment_is_told_on_stdout_and_followed_on_stderr(lem: Lem) -> None:
    done = lem("experiment", lem.write(CONFIG))
    assert done.returncode == 0, done.stderr
    assert "12 out" in done.stdout
    assert "(replayed)" in done.stdout
    assert "Verdict" in done.stdout
    # A notice may stand between them, such as of another experiment that is under way here.
    lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
    phases = [line.split("] ")[1].split(":")[0] for line in lines]
    assert "measuring" in phases
    assert "\x1b" not in done.stdout + done.stderr
    (file,) = lem.folder.glob("results/aggregated/*.json")
    assert str(file) in done.stdout
    shown = lem("results", "show", file.stem[:-1])
    assert shown.returncode == 0
    assert "12 out" in shown.stdout


def test_json_is_one_document_and_the_saved_result(lem: Lem) -> None:
    config = lem.write(CONFIG)
    done = lem("experiment", config, "--json", "--cycles", "2")
    result = json.loads(done.stdout)
    assert "Verdict" not in done.stderr
    assert result["cycles"]["n"] == 2
    assert result["metrics"]["inference"]["output_tokens"] == 24
    assert result["config"]["num_cycles"] == 2
    assert result["provenance"]["num_cycles"]["source"] == "cli"
    (file,) = lem.folder.glob("results/aggregated/*.json")
    assert json.loads(file.read_text()) == result
    assert lem.json("results", "show", "latest") == result
    assert result["experiment_id"] in lem("-q", "results", "list").stdout


def test_quiet_prints_the_result_s_place_and_nothing_else(lem: Lem) -> None:
    done = lem("experiment", "-q", lem.write(CONFIG))
    (file,) = lem.folder.glob("results/aggregated/*.json")
    assert done.stdout == f"{file.stem}  {file}\n"
    assert done.stderr == ""


def test_a_dry_run_writes_nothing(lem: Lem) -> None:
    config = lem.write(CONFIG)
    told = lem.json("experiment", config, "--dry-run", "--cycles", "3")
    assert (told["dry_run"], told["cycles"], told["requests_per_cycle"]) == (True, 3, 4)
    assert [path.name for path in lem.folder.iterdir()] == [config]


def test_aggregating_in_a_second_step(lem: Lem) -> None:
    config = lem.write(CONFIG)
    ids = [lem.json("experiment", config, "--no-aggregate")["experiment_id"] for _ in range(2)]
    assert lem.json("results", "list") == []
    assert {row["status"] for row in lem.json("results", "list", "--all")} == {"completed"}
    assert lem.json("results", "show", ids[0])["next"] == f"lem aggregate {ids[0]}"
    result = lem.json("aggregate", ids[0])
    assert result["status"] == "aggregated"
    assert lem.json("aggregate") == {"aggregated": [ids[1]], "failed": []}
    assert lem.json("aggregate") == {"aggregated": [], "failed": []}
    assert [row["experiment_id"] for row in lem.json("results", "list")] == ids


def test_an_aggregate_is_overwritten_only_with_yes(lem: Lem) -> None:
    experiment_id = lem.json("experiment", lem.write(CONFIG))["experiment_id"]
    (file,) = lem.folder.glob("results/aggregated/*.json")
    before = file.read_bytes()
    refused = lem("aggregate", experiment_id)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert file.read_bytes() == before
    assert lem.json("aggregate", experiment_id, "--yes")["experiment_id"] == experiment_id
    assert file.read_bytes() != before


@pytest.mark.parametrize(("answer", "changed"), [(b"n\n", False), (b"y\n", True)])
def test_on_a_terminal_it_is_asked(lem: Lem, answer: bytes, changed: bool) -> None:
    experiment_id = lem.json("experiment", lem.write(CONFIG))["experiment_id"]
    (file,) = lem.folder.glob("results/aggregated/*.json")
    before = file.read_bytes()
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(
            [lem.command, "aggregate", experiment_id],
            cwd=lem.folder,
            stdin=slave,
            stderr=slave,
            stdout=subprocess.DEVNULL,
        ) as process:
            os.write(master, answer)
            assert process.wait(timeout=TIMEOUT_S) == 0
    finally:
        os.close(master)
        os.close(slave)
    assert (file.read_bytes() != before) is changed


def test_results_of_another_folder(lem: Lem, tmp_path: Path) -> None:
    config = lem.write(CONFIG)
    elsewhere = str(tmp_path / "elsewhere")
    experiment_id = lem.json("experiment", config, "--results-dir", elsewhere)["experiment_id"]
    assert (tmp_path / "elsewhere/aggregated" / f"{experiment_id}.json").exists()
    # Its state is known here, so it is found without being told where.
    assert lem.json("results", "show", experiment_id)["experiment_id"] == experiment_id
    assert len(lem.json("--results-dir", elsewhere, "results", "list")) == 1
    assert lem.json("results", "list", "--results-dir", str(tmp_path / "nowhere")) == []


def test_a_failed_experiment_says_why_now_and_later(lem: Lem) -> None:
    config = lem.write({**CONFIG, "echo": {"fail_load": True}})
    done = lem("experiment", config)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (row,) = lem.json("results", "list", "--all")
    assert row["status"] == "failed"
    assert row["reason"]
    shown = lem("results", "show", "latest")
    assert row["reason"] in shown.stdout
    assert f"--resume {row['experiment_id']}" in shown.stdout
    assert "1 more without a result" in lem("results", "list").stdout


def test_a_reader_that_has_gone_is_no_error_message(lem: Lem) -> None:
    experiment_id = lem.json("experiment", lem.write(CONFIG))["experiment_id"]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [lem.command, "--json", "results", "show", experiment_id],
            cwd=lem.folder,
            stdout=write,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
    finally:
        os.close(write)
    assert b"Traceback" not in done.stderr
    assert b"Broken" not in done.stderr


def test_a_terminal_that_has_no_dash_gets_a_question_mark(lem: Lem) -> None:
    lem("experiment", lem.write(CONFIG))
    done = lem("results", "show", "latest", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "?  (" in done.stdout


def test_from_python(tmp_path: Path) -> None:
    import llenergymeasure
    from llenergymeasure.exceptions import ConfigurationError

    result = llenergymeasure.run_experiment(CONFIG, results_dir=tmp_path / "api")
    assert isinstance(result, llenergymeasure.AggregatedResult)
    assert result.metrics.inference.output_tokens == 12
    assert (tmp_path / "api/aggregated" / f"{result.experiment_id}.json").exists()
    (tmp_path / "c.json").write_text(json.dumps(CONFIG))
    config = llenergymeasure.load_config(tmp_path / "c.json")
    assert llenergymeasure.run_experiment(config).config_name == "quick"
    with pytest.raises(ConfigurationError, match="model_nam"):
        llenergymeasure.run_experiment({**CONFIG, "model_nam": "x"})
