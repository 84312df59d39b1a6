"""Several configs with one command: `lem experiment a.yaml b.yaml`, `lem experiment grid/`."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from .conftest import Lem, wait_for

CONFIG: dict[str, Any] = {
    "model_name": "scripted",
    "backend": "echo",
    "num_prompts": 2,
    "max_output_tokens": 4,
    "warmup": {"prompts": 0},
    "energy": {"backend": "replay", "replay": {"curve": {"power_w": 100.0}}},
}
# Its child dies while it measures.
DYING = {**CONFIG, "echo": {"die_after_requests": 1}}


def write(lem: Lem, name: str, **more: Any) -> str:
    file = lem.folder / name
    file.parent.mkdir(exist_ok=True)
    config = {**CONFIG, "config_name": file.stem, **more}
    file.write_text(json.dumps(config), encoding="utf-8")
    return name


def test_a_folder_is_run_in_natural_order_and_one_failure_does_not_stop_the_rest(lem: Lem) -> None:
    write(lem, "grid/batch-2.json")
    write(lem, "grid/batch-10.json")
    write(lem, "grid/batch-9.json", echo=DYING["echo"])
    (lem.folder / "grid" / "notes.json").write_text('{"who": "me"}')
    done = lem("--json", "experiment", "grid")
    assert done.returncode == 1, done.stderr
    assert "notes.json is no config and is left out" in done.stderr
    said = json.loads(done.stdout)
    assert said["failed"] == 1
    rows = said["experiments"]
    assert [row["config_name"] for row in rows] == ["batch-2", "batch-9", "batch-10"]
    assert [row["status"] for row in rows] == ["measured", "failed", "measured"]
    assert rows[1]["error"]["message"] and rows[1]["result"] is None
    assert rows[2]["result"]["metrics"]["inference"]["output_tokens"] == 8
    # Each is an experiment like any other.
    listed = lem.json("results", "list", "--all")
    assert [row["config_name"] for row in listed] == ["batch-2", "batch-9", "batch-10"]


def test_files_end_in_one_table(lem: Lem) -> None:
    first, second = write(lem, "a.json"), write(lem, "b.json", num_prompts=1)
    done = lem("experiment", first, second, f"./{first}", "--set", "num_cycles=2")
    assert done.returncode == 0, done.stderr
    table = done.stdout.splitlines()
    assert "J/output token" in table[0]
    assert [line.split()[0] for line in table[2:4]] == ["a", "b"]
    assert "2 measured, 0 failed" in done.stdout
    assert "1 of 2: a (a.json)" in done.stderr
    assert "./a.json is the same file as a.json; it is measured once" in done.stderr


def test_a_failure_is_labelled_by_its_file(lem: Lem) -> None:
    # Both have one name, as configs made from one template do.
    first = write(lem, "a.json", config_name="same")
    second = write(lem, "b.json", config_name="same", echo=DYING["echo"])
    done = lem("experiment", first, second)
    assert done.returncode == 1
    assert [line.split()[-1] for line in done.stdout.splitlines()[2:4]] == [first, second]
    assert f"\n{second}: " in done.stdout
    assert f"{second} failed: " in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_nothing_runs_before_every_file_is_right(lem: Lem, arguments: tuple[str, ...]) -> None:
    good = write(lem, "good.json")
    bad = write(lem, "bad.json", nonsense=1)
    worse = write(lem, "worse.json", prompts={"type": "file", "path": "nowhere.txt"})
    done = lem("experiment", good, bad, "missing.yaml", *arguments)
    assert done.returncode == 2
    assert "bad.json" in done.stderr and "nonsense" in done.stderr
    assert "missing.yaml" in done.stderr
    done = lem("experiment", good, worse, *arguments)
    assert done.returncode == 2
    assert "worse.json" in done.stderr and "nowhere.txt" in done.stderr
    assert not (lem.folder / "results").exists()


def test_a_folder_without_configs_and_a_resume_of_several_are_refused(lem: Lem) -> None:
    (lem.folder / "empty").mkdir()
    done = lem("experiment", "empty")
    assert done.returncode == 2 and "no config file" in done.stderr
    done = lem("experiment", "a.yaml", "b.yaml", "--resume", "latest")
    assert done.returncode == 2 and "--resume" in done.stderr


def test_equal_settings_are_said_and_a_plan_of_all_is_shown(lem: Lem) -> None:
    first, second = write(lem, "a.json"), write(lem, "b.json")
    done = lem("experiment", first, second, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "b.json has the same settings as a.json" in done.stderr
    assert "a: everything" in done.stdout and "b: everything" in done.stdout


def test_an_interruption_says_what_is_done_and_how_to_go_on(lem: Lem) -> None:
    first = write(lem, "a.json")
    slow = write(lem, "b.json", echo={"per_token_s": 5.0})
    last = write(lem, "c.json")
    process = lem.start("experiment", first, slow, last)
    events = "results/raw/*/events_1.jsonl"
    wait_for(lambda: len(list(lem.folder.glob(events))) == 2)
    wait_for(lambda: any(e.get("phase") == "measuring" for e in lem.events()))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 130, err
    assert "1 measured, 0 failed, 1 interrupted, 1 not run" in out
    assert "--resume" in err
    assert lem.processes() == []
