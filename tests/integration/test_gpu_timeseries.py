"""From GPUs of known power to a stored curve: what `lem experiment` keeps of them."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

_path = Path(__file__).parents[1] / "native" / "stand_in.py"
_spec = importlib.util.spec_from_file_location("nvml_stand_in", _path)
assert _spec is not None and _spec.loader is not None
stand_in = importlib.util.module_from_spec(_spec)
sys.modules["nvml_stand_in"] = stand_in
_spec.loader.exec_module(stand_in)

GPUS = "curve=constant,high=300,ripple=2,temp=55,limit=600,pci=00000000:3B:00.0;high=120,sm=20"
CONFIG = {
    "config_name": "gpus",
    "model_name": "echo",
    "backend": "echo",
    "echo": {"per_token_s": 0.05},
    "num_prompts": 2,
    "max_output_tokens": 16,
    "warmup": {"prompts": 0},
    "baseline": {"enabled": False},
    "energy": {"backend": "nvml"},
    "timeseries": {"sample_interval_ms": 50},
}


def test_power_heat_and_limits_of_each_gpu_are_kept(tmp_path: Path) -> None:
    library = stand_in.build(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    done = subprocess.run(
        [sys.executable, "-m", "llenergymeasure", "--json", "experiment", str(config)],
        env=stand_in.environment(library, GPUS),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    (file,) = (tmp_path / "results" / "raw").rglob("timeseries_0.parquet")
    table = pq.read_table(io.BytesIO(file.read_bytes()))
    assert table.schema.metadata[b"energy_backend"] == b"nvml"
    values: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in table.to_pylist():
        key = row["device"], row["quantity"]
        values.setdefault(key, []).append((row["t_s"], row["value"]))

    def column(device: str, quantity: str) -> list[float]:
        return [value for _, value in values[device, quantity]]

    # Each 50 ms: a busy machine may skip some, and reads none more often.
    duration_s = result["processes"][0]["window"]["duration_s"]
    times_s = [t_s for t_s, _ in values["gpu:0", "temperature_c"]]
    assert 2 <= len(times_s) <= duration_s / 0.05 + 3
    assert min(later - earlier for earlier, later in pairwise(times_s)) < 0.1
    assert set(column("gpu:0", "temperature_c")) == {55.0}
    assert set(column("gpu:0", "power_limit_w")) == {600.0}
    assert set(column("gpu:1", "sm_percent")) == {20.0}
    assert column("gpu:0", "power_w") == pytest.approx(
        [300] * len(column("gpu:0", "power_w")), abs=3
    )
    for device, mean_w in (("gpu:0", 300), ("gpu:1", 120)):
        energy_j = column(device, "energy_j")
        assert energy_j == sorted(energy_j)
        times_s = [t_s for t_s, _ in values[device, "energy_j"]]
        # A read comes a moment after the time that it bears.
        assert energy_j[-1] == pytest.approx(mean_w * times_s[-1], rel=0.2)
        (domain,) = (d for d in result["metrics"]["energy"]["domains"] if d["name"] == device)
        assert energy_j[-1] <= domain["joules"] * 1.01

    # What the GPUs are stands in the result too.
    environment: dict[str, Any] = result["environment"]
    assert environment["gpus"] == ["NVIDIA Stand-in", "NVIDIA Stand-in"]
    first = environment["gpu_details"][0]
    assert (first["power_limit_w"], first["pci_bus_id"]) == (600.0, "00000000:3B:00.0")
    assert environment["gpu_driver"] == "0.stand-in"
