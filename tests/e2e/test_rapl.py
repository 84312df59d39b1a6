"""Fake powercap trees through the commands: what the tree's process adds is what they tell."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lem, wait_for

_path = Path(__file__).parents[1] / "native" / "powercap_tree.py"
_spec = importlib.util.spec_from_file_location("powercap_tree_e2e", _path)
assert _spec is not None and _spec.loader is not None
powercap_tree = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(powercap_tree)

RANGE = powercap_tree.RANGE_UJ
# 12 steps of a fifth of the range: two wraps and a bit.
STEP = {"intel-rapl:0": RANGE // 5, "intel-rapl:0:0": 100_003}
PLAN = [STEP] * 12
PACKAGE_J, MEMORY_J = 12 * (RANGE // 5) / 1e6, 12 * 100_003 / 1e6
ADVANCE = (
    "import json, pathlib, runpy, sys; tree = runpy.run_path(sys.argv[1]);"
    " tree['run_plan'](pathlib.Path(sys.argv[2]), json.loads(sys.argv[3]), 0.1)"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    zones = {
        "intel-rapl:0": {"name": "package-0", "energy_uj": 5, "range_uj": RANGE},
        "intel-rapl:0:0": {"name": "dram", "energy_uj": RANGE - 7, "range_uj": RANGE},
        "intel-rapl-mmio:0": {"name": "package-0", "energy_uj": 5, "range_uj": RANGE},
    }
    made: Path = powercap_tree.write_tree(tmp_path / "powercap", zones)
    return made


def joules(energy: dict[str, Any]) -> dict[str, float | None]:
    return {domain["name"]: domain["joules"] for domain in energy["domains"]}


def test_lem_measure(lem: Lem, root: Path) -> None:
    command = [sys.executable, "-c", ADVANCE, str(_path), str(root), json.dumps(PLAN)]
    options = ("--backend", "rapl", "-o", "m.json")
    done = lem("measure", *options, "--", *command, LEM_POWERCAP_ROOT=str(root))

    assert done.returncode == 0, done.stderr
    energy = json.loads((lem.folder / "m.json").read_text())["energy"]
    assert joules(energy) == {"cpu:0": PACKAGE_J, "ram:0": MEMORY_J}
    assert energy["total_j"] == pytest.approx(PACKAGE_J + MEMORY_J)
    assert energy["measured_share"] == 1.0
    assert [d["evidence"]["wraps"] for d in energy["domains"]] == [2, 1]


def measure_a_plan(lem: Lem, root: Path, prefill_s: float) -> dict[str, Any] | None:
    """The energy of an experiment while the tree advances; None if its window missed a part."""
    config = lem.write(
        {
            "config_name": "rapl",
            "model_name": "scripted",
            "backend": "echo",
            "num_prompts": 1,
            "echo": {"prefill_s": prefill_s},
            "warmup": {"prompts": 0},
            "baseline": {"enabled": False},
            "energy": {"backend": "rapl", "rapl": {"root": str(root)}},
        }
    )
    found: list[Any] = []
    experiment = threading.Thread(target=lambda: found.append(lem("experiment", config)))
    with powercap_tree.advancing(root) as tree:
        experiment.start()
        wait_for(lambda: found or [e for e in lem.events() if e.get("phase") == "measuring"])
        # The event comes a moment before the window opens.
        time.sleep(prefill_s / 4)
        begin_ns = time.monotonic_ns()
        tree.run(PLAN, pause_s=0.1)
        end_ns = time.monotonic_ns()
        experiment.join()

    assert found[0].returncode == 0, found[0].stderr
    (raw,) = lem.folder.glob("results/raw/*/process_0.json")
    energy: dict[str, Any] = json.loads(raw.read_text())["energy"]
    windows = [domain["window"] for domain in energy["domains"]]
    held = all(
        w["start_monotonic_ns"] < begin_ns and end_ns < w["end_monotonic_ns"] for w in windows
    )
    return energy if held else None


def test_lem_experiment(lem: Lem, root: Path) -> None:
    # Once is enough, unless the machine is busy with other things.
    for prefill_s in (4.0, 16.0, 64.0):
        lem.forget()
        energy = measure_a_plan(lem, root, prefill_s)
        if energy is not None:
            break
    assert energy is not None
    domains = {d["name"]: d for d in energy["domains"]}
    assert {name: d["joules"] for name, d in domains.items()} == {
        "cpu:0": PACKAGE_J,
        "ram:0": MEMORY_J,
    }
    assert {d["method"] for d in domains.values()} == {"counter"}
    assert {d["scope"] for d in domains.values()} == {"machine"}


def test_auto_takes_the_counters_before_any_model(lem: Lem, root: Path) -> None:
    command = [sys.executable, "-c", ADVANCE, str(_path), str(root), json.dumps([STEP] * 2)]
    done = lem("measure", "-o", "m.json", "--", *command, LEM_POWERCAP_ROOT=str(root))

    assert done.returncode == 0, done.stderr
    energy = json.loads((lem.folder / "m.json").read_text())["energy"]
    measured = {d["name"]: d["source"] for d in energy["domains"] if d["method"] == "counter"}
    assert measured == {"cpu:0": "rapl", "ram:0": "rapl"}
    assert energy["headline"] == "measured"
    assert not [d for d in energy["domains"] if d["method"] == "estimated"]
