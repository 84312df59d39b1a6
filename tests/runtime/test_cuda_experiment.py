"""A whole experiment on a CUDA device. Skips, with a word, where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from llenergymeasure import run_experiment

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

CONFIG = {
    "config_name": "cuda",
    "model_name": "builtin:tiny-llama",
    "dtype": "float32",
    "num_prompts": 8,
    "max_output_tokens": 16,
    "decoder": {"preset": "deterministic"},
    "warmup": {"prompts": 4},
    "baseline": {"enabled": False},
    "energy": {"backend": "nvml"},
    "pytorch": {"batch_size": 4},
}


def test_the_device_is_used_and_named(tmp_path: Path) -> None:
    result = run_experiment({**CONFIG, "device": "cuda"}, results_dir=tmp_path / "cuda")
    assert result.model.device is not None
    assert result.model.device.startswith("cuda")
    assert result.metrics.compute.peak_memory_source != "process_peak_rss"
    assert result.metrics.compute.peak_memory_bytes
    assert result.environment.gpus


def test_the_gpu_s_joules_are_measured(tmp_path: Path) -> None:
    result = run_experiment({**CONFIG, "device": "cuda"}, results_dir=tmp_path / "cuda")
    (gpu,) = [d for d in result.metrics.energy.domains if d.name.startswith("gpu")]
    assert gpu.joules is not None, gpu.reason
    assert result.metrics.energy.headline == "measured"


def test_input_tokens_are_those_of_the_cpu(tmp_path: Path) -> None:
    counts = []
    for device in ("cuda", "cpu"):
        folder = tmp_path / device
        result = run_experiment({**CONFIG, "device": device}, results_dir=folder)
        counts.append(result.metrics.inference.input_tokens)
    assert counts[0] == counts[1]
