"""Building the stand-in for NVIDIA's library, and running Python with it in its place."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCES = sorted(Path(__file__).parent.glob("nvml_stand_in*.c"))
LIBRARY = "libnvidia-ml.so.1"

# Measures windows in one process and tells, for each, the reading and the exact joules.
MEASURE = """
import ctypes, json, os, sys, time
from llenergymeasure.config.backend_configs import NvmlConfig
from llenergymeasure.core.energy_backends.nvml import NvmlBackend

seconds, options = json.loads(sys.argv[1]), json.loads(sys.argv[2])
backend = NvmlBackend(NvmlConfig.model_validate(options))
backend.prepare()
told = []
for length in seconds:
    backend.start()
    time.sleep(length)
    told.append(backend.stop())
# The truth is asked afterwards, of a library that is still configured as it was.
library = ctypes.CDLL("libnvidia-ml.so.1")
library.stand_in_energy_j.restype = ctypes.c_double
library.stand_in_energy_j.argtypes = [ctypes.c_uint, ctypes.c_double, ctypes.c_double]
out = []
for reading in told:
    truths = []
    for domain in reading.domains:
        index = int(domain.name.partition(":")[2] or 0)
        window = domain.window
        truths.append(library.stand_in_energy_j(
            index, window.start_monotonic_ns / 1e9, window.end_monotonic_ns / 1e9))
    out.append({"reading": reading.model_dump_json(), "truths_j": truths})
backend.close()
print(json.dumps(out))
"""


def build(folder: Path) -> Path:
    """Compile the stand-in; returns the folder for LD_LIBRARY_PATH."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None, "a C compiler (gcc) is needed to build the stand-in"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    target = folder / LIBRARY
    subprocess.run([*command, "-o", str(target), *map(str, SOURCES), "-lm"], check=True, timeout=120)
    return folder


def environment(folder: Path, gpus: str, **more: str) -> dict[str, str]:
    """The variables under which a new process sees these GPUs (form: the C file's head)."""
    base = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
    return {**base, "LD_LIBRARY_PATH": str(folder), "NVML_STAND_IN": gpus, **more}


def truth() -> Callable[[float, float], float]:
    """The exact joules of GPU 0 between two monotonic times in s, once NVML was initialised."""
    library = ctypes.CDLL(LIBRARY)
    library.stand_in_energy_j.restype = ctypes.c_double
    library.stand_in_energy_j.argtypes = [ctypes.c_uint, ctypes.c_double, ctypes.c_double]
    return lambda start_s, end_s: float(library.stand_in_energy_j(0, start_s, end_s))


def measure(
    env: dict[str, str], seconds: list[float], options: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Measure windows in a process of its own; readings as JSON, with the true joules."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(seconds), json.dumps(options or {})],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found
