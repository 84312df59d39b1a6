"""Idle power and what is above it, against a GPU whose power is known."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Lem

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


def test_a_gpu_that_gets_busy_after_its_idle_time(lem: Lem, library: Path, tmp_path: Path) -> None:
    busy_from_s = time.monotonic() + 14.0
    # High from its offset on, low before it.
    gpus = f"curve=square,low={IDLE_W},high={BUSY_W},duty=0.5,period=2000,offset={busy_from_s}"
    env = stand_in.environment(library, gpus, XDG_CACHE_HOME=str(tmp_path / "cache"))
    config = {**CONFIG, "echo": {"load_s": 7.5, "per_token_s": 0.1}}
    done = lem("experiment", lem.write(config), **env)
    assert done.returncode == 0, done.stderr
    assert "idle baseline" in done.stderr
    (file,) = lem.folder.glob("results/aggregated/*.json")
    result = json.loads(file.read_text())
    energy = result["metrics"]["energy"]
    (domain,) = energy["domains"]
    window = domain["window"]
    assert window["start_monotonic_ns"] / 1e9 > busy_from_s, (
        "the machine was too slow for this test"
    )
    (idle,) = energy["baseline"]
    assert (idle["method"], idle["level"], idle["samples"]) == ("fresh", "bare", 5)
    assert idle["power_w"] == pytest.approx(IDLE_W, rel=0.01)
    assert idle["duration_s"] >= 5
    assert energy["marginal_j"] == pytest.approx((BUSY_W - IDLE_W) * window["duration_s"], rel=0.01)
    assert energy["marginal_j"] < energy["total_j"]
    assert energy["marginal_uncertainty_j"] > 0
    assert energy["baseline_reason"] is None
    (stored,) = tmp_path.glob("cache/llenergymeasure/baselines/*.json")
    assert json.loads(stored.read_text())["power_w"] == idle["power_w"]


def test_an_estimate_has_no_idle_baseline_to_be_required(lem: Lem) -> None:
    config = {**CONFIG, "energy": {"backend": "estimate"}, "echo": {"load_s": 30.0}}
    began = time.monotonic()
    done = lem("experiment", lem.write(config))
    assert time.monotonic() - began < 25, "it is refused before the model is loaded"
    assert done.returncode == 1
    assert "baseline.required is set, and there is no idle baseline" in done.stderr
    assert "lem doctor" in done.stderr
    assert "Traceback" not in done.stderr
