"""Killed in any phase, from either side: the truth is told, nothing stays, nothing is lost."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil
import pytest

from .conftest import TIMEOUT_S, Lem, wait_for

CYCLES = 3
REQUESTS = 8
OUTPUT_TOKENS = 4
CONFIG: dict[str, Any] = {
    "config_name": "killed",
    "model_name": "scripted",
    "backend": "echo",
    "num_prompts": REQUESTS,
    "max_output_tokens": OUTPUT_TOKENS,
    "num_cycles": CYCLES,
    "warmup": {"prompts": 4},
    "energy": {"backend": "replay", "replay": {"curve": {"power_w": 100.0}}},
    "echo": {"batch_size": 2, "load_s": 0.5, "per_token_s": 0.05},
}
PHASES = [("loading", None), ("warm-up", None), ("measuring", 1), ("measuring", 3)]


def reached(lem: Lem, phase: str, cycle: int | None) -> bool:
    return any(e.get("phase") == phase and e.get("cycle") == cycle for e in lem.events())


def hold_in(lem: Lem, phase: str, cycle: int | None) -> tuple[Popen[str], psutil.Process]:
    """A run whose measuring process is stopped in a phase, for as long as the test needs.

    One that got past the phase, since we were late, is replaced.
    """
    while True:
        process = lem.start("experiment", lem.write(CONFIG))
        wait_for(lambda: reached(lem, phase, cycle))
        for child in lem.processes():
            if child.ppid() == process.pid and is_stopped_in(lem, child, phase, cycle):
                return process, child
        process.kill()
        process.communicate(timeout=TIMEOUT_S)
        wait_for(lambda: lem.processes() == [])
        lem.forget()


def is_stopped_in(lem: Lem, child: psutil.Process, phase: str, cycle: int | None) -> bool:
    child.suspend()
    wait_for(lambda: child.status() == psutil.STATUS_STOPPED)
    last = [event for event in lem.events() if "phase" in event][-1]
    return (last["phase"], last.get("cycle")) == (phase, cycle)


def hashes(lem: Lem, experiment_id: str) -> dict[Path, str]:
    files = (lem.folder / "results" / "raw" / experiment_id).glob("cycle_*/process_*.json")
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def only_experiment(lem: Lem) -> dict[str, Any]:
    (row,) = lem.json("results", "list", "--all")
    return row


def finish(lem: Lem, experiment_id: str) -> dict[str, Any]:
    before = hashes(lem, experiment_id)
    result = lem.json("experiment", "--resume", experiment_id)
    after = hashes(lem, experiment_id)
    assert {file: after[file] for file in before} == before, "a finished cycle was touched"
    assert result["experiment_id"] == experiment_id
    assert result["status"] == "aggregated"
    assert result["cycles"]["n"] == CYCLES
    inference = result["metrics"]["inference"]
    assert inference["requests"] == CYCLES * REQUESTS
    assert inference["output_tokens"] == CYCLES * REQUESTS * OUTPUT_TOKENS
    domains = result["metrics"]["energy"]["domains"]
    assert sum(d["joules"] for d in domains) == pytest.approx(
        100.0 * inference["duration_s"], rel=0.05
    )
    assert only_experiment(lem)["status"] == "aggregated"
    return result


@pytest.mark.parametrize(("phase", "cycle"), PHASES)
def test_the_child_is_killed(lem: Lem, phase: str, cycle: int | None) -> None:
    process, child = hold_in(lem, phase, cycle)
    child.kill()
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert f"died while {phase}" in errors
    assert "Traceback" not in errors
    row = only_experiment(lem)
    assert row["status"] == "failed"
    assert "SIGKILL" in row["reason"]
    assert row["cycles_done"] == (cycle - 1 if cycle else 0)
    assert lem.processes() == []
    finish(lem, row["experiment_id"])


@pytest.mark.parametrize(("phase", "cycle"), PHASES)
def test_the_parent_is_killed(lem: Lem, phase: str, cycle: int | None) -> None:
    process, _ = hold_in(lem, phase, cycle)
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    wait_for(lambda: lem.processes() == [])
    row = only_experiment(lem)
    assert row["status"] == "interrupted"
    assert "died" in row["reason"]
    finish(lem, row["experiment_id"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_user_stops_it(lem: Lem, number: signal.Signals) -> None:
    process, child = hold_in(lem, "measuring", 2)
    child.resume()
    process.send_signal(number)
    output, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert output == ""
    row = only_experiment(lem)
    assert row["status"] == "interrupted"
    assert f"lem experiment --resume {row['experiment_id']}" in errors
    assert lem.processes() == []
    finish(lem, row["experiment_id"])


def test_a_cycle_that_was_torn_while_saving_is_measured_again(lem: Lem) -> None:
    done = lem.json("experiment", lem.write(CONFIG), "--no-aggregate")
    folder = lem.folder / "results" / "raw" / done["experiment_id"]
    torn = folder / "cycle_2" / "process_0.json"
    torn.write_bytes(torn.read_bytes()[:100])
    (folder / "cycle_3" / ".completed_0").unlink()
    failed = lem("aggregate", done["experiment_id"])
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    row = only_experiment(lem)
    assert row["cycles_done"] == 1
    result = lem.json("experiment", "--resume", done["experiment_id"])
    assert result["metrics"]["inference"]["requests"] == CYCLES * REQUESTS


def test_a_killed_aggregation_is_taken_up(lem: Lem) -> None:
    done = lem.json("experiment", lem.write(CONFIG), "--no-aggregate")
    assert done["status"] == "completed"
    assert only_experiment(lem)["status"] == "completed"
    finish(lem, done["experiment_id"])


def test_a_running_experiment_is_not_resumed(lem: Lem) -> None:
    slow = {**CONFIG, "echo": {**CONFIG["echo"], "load_s": 8.0}, "num_cycles": 1}
    process = lem.start("experiment", lem.write(slow))
    wait_for(lambda: reached(lem, "loading", None))
    row = only_experiment(lem)
    assert row["status"] == "running"
    experiment_id = row["experiment_id"]
    refused = lem("experiment", "--resume", experiment_id)
    assert refused.returncode == 2
    assert "running" in refused.stderr
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0


def test_an_unfinished_run_of_the_same_config_is_named(lem: Lem) -> None:
    config = lem.write({**CONFIG, "echo": {"die_after_requests": 3}})
    assert lem("experiment", config).returncode == 1
    first = only_experiment(lem)["experiment_id"]
    again = lem("experiment", config)
    assert f"lem experiment --resume {first}" in again.stderr
    assert len(lem.json("results", "list", "--all")) == 2


def test_an_engine_that_fails_is_told_in_its_own_words(lem: Lem) -> None:
    done = lem("experiment", lem.write({**CONFIG, "echo": {"fail_load": True}}))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "load" in done.stderr
    assert only_experiment(lem)["status"] == "failed"


def test_changed_prompts_are_refused_on_resume(lem: Lem) -> None:
    (lem.folder / "prompts.txt").write_text("one two\nthree\n", encoding="utf-8")
    config = {**CONFIG, "num_prompts": 2, "prompts": {"type": "file", "path": "prompts.txt"}}
    config["echo"] = {"die_after_requests": 1}
    assert lem("experiment", lem.write(config)).returncode == 1
    (lem.folder / "prompts.txt").write_text("one two\nfour\n", encoding="utf-8")
    refused = lem("experiment", "--resume", only_experiment(lem)["experiment_id"])
    assert refused.returncode == 2
    assert "changed" in refused.stderr
