"""Idle power and what is above it, against a GPU whose power is known."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import TIMEOUT_S, Lem

_PATH = Path(__file__).parents[1] / "native" / "stand_in.py"
_SPEC = importlib.util.spec_from_file_location("nvml_stand_in", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
stand_in = importlib.util.module_from_spec(_SPEC)
sys.modules["nvml_stand_in"] = stand_in
_SPEC.loader.exec_module(stand_in)

IDLE_W, BUSY_W = 80.0, 680.0
CONFIG: dict[str, Any] = {
    "config_name": "idle",
    "model_name": "scripted",
    "backend": "echo",
    "num_prompts": 4,
    "max_output_tokens": 5,
    "warmup": {"prompts": 1},
    "baseline": {"duration_s": 5, "required": True},
    "energy": {"backend": "nvml"},
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = stand_in.build(tmp_path_factory.mktemp("nvml"))
    return folder


def measure(lem: Lem, library: Path, busy_after_s: float) -> tuple[dict[str, Any], bool]:
    """The result of a GPU that is idle at first; and whether it was so until the idle time ended,
    and busy from the window's start on."""
    shutil.rmtree(lem.folder / "cache", ignore_errors=True)
    busy_from_s = time.monotonic() + busy_after_s
    # High from its offset on, low before it.
    gpus = f"curve=square,low={IDLE_W},high={BUSY_W},duty=0.5,period=2000,offset={busy_from_s}"
    env = stand_in.environment(library, gpus, XDG_CACHE_HOME=str(lem.folder / "cache"))
    config = {**CONFIG, "echo": {"load_s": busy_after_s - 6.5, "per_token_s": 0.1}}
    done = lem("experiment", lem.write(config), **env)
    assert done.returncode == 0, done.stderr
    assert "idle baseline" in done.stderr
    (file,) = lem.folder.glob("results/aggregated/*.json")
    result: dict[str, Any] = json.loads(file.read_text())
    (domain,) = result["metrics"]["energy"]["domains"]
    loading_ns = next(e["t_monotonic_ns"] for e in lem.events() if e.get("phase") == "loading")
    starts_ns = domain["window"]["start_monotonic_ns"]
    return result, loading_ns / 1e9 < busy_from_s < starts_ns / 1e9


def test_a_gpu_that_gets_busy_after_its_idle_time(lem: Lem, library: Path) -> None:
    # Once is enough, unless the machine is busy with other things.
    for busy_after_s in (10.0, 30.0, 90.0):
        lem.forget()
        result, in_time = measure(lem, library, busy_after_s)
        if in_time:
            break
    assert in_time
    energy = result["metrics"]["energy"]
    (domain,) = energy["domains"]
    window = domain["window"]
    (idle,) = energy["baseline"]
    assert (idle["method"], idle["level"], idle["samples"]) == ("fresh", "bare", 5)
    assert idle["power_w"] == pytest.approx(IDLE_W, rel=0.01)
    assert idle["duration_s"] >= 5
    assert energy["marginal_j"] == pytest.approx((BUSY_W - IDLE_W) * window["duration_s"], rel=0.01)
    assert energy["marginal_j"] < energy["total_j"]
    assert energy["marginal_uncertainty_j"] > 0
    assert energy["baseline_reason"] is None
    (stored,) = lem.folder.glob("cache/llenergymeasure/baselines/*.json")
    assert json.loads(stored.read_text())["power_w"] == idle["power_w"]


def test_an_estimate_has_no_idle_baseline_to_be_required(lem: Lem) -> None:
    config = {**CONFIG, "energy": {"backend": "estimate"}, "echo": {"load_s": 10 * TIMEOUT_S}}
    # It is refused before the model is loaded: that would take longer than we wait.
    done = lem("experiment", lem.write(config))
    assert done.returncode == 1
    assert "baseline.required is set, and there is no idle baseline" in done.stderr
    assert "lem doctor" in done.stderr
    assert "Traceback" not in done.stderr
