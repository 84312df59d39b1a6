"""Building the stand-in for NVIDIA's library, and running Python with it in its place."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SOURCES = sorted(Path(__file__).parent.glob("nvml_stand_in*.c"))
LIBRARY = "libnvidia-ml.so.1"

# Measures windows in one process and tells, for each, the reading, its samples and the exact
# joules. Changes (seconds after the start, GPU, key, value) are made to the GPUs in the last one;
# "changed_s" tells when each was really made.
MEASURE = """
import ctypes, json, os, sys, time
from llenergymeasure.config.backend_configs import NvmlConfig
from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend

seconds, options, changes = (json.loads(text) for text in sys.argv[1:4])
backend = NvmlBackend(NvmlConfig.model_validate(options))
backend.prepare()
told, samples, changed_s = [], [], []
for left, length in zip(reversed(range(len(seconds))), seconds):
    backend.start()
    begin = time.monotonic()
    for after, gpu, key, value in [] if left else sorted(changes):
        time.sleep(max(0.0, begin + after - time.monotonic()))
        ctypes.CDLL("libnvidia-ml.so.1").stand_in_set(gpu, key.encode(), str(value).encode())
        changed_s.append([gpu, time.monotonic() - begin])
    time.sleep(max(0.0, begin + length - time.monotonic()))
    told.append(backend.stop())
    samples.append([[s.device, s.quantity, list(s.times_ns), list(s.values)]
                    for s in backend.samples()])
temperatures_c = dict(backend.temperatures_c())
# The truth is asked afterwards, of a library that is still configured as it was.
library = ctypes.CDLL("libnvidia-ml.so.1")
library.stand_in_energy_j.restype = ctypes.c_double
library.stand_in_energy_j.argtypes = [ctypes.c_uint, ctypes.c_double, ctypes.c_double]
out = []
for reading, series in zip(told, samples):
    truths = []
    for domain in reading.domains:
        index = int(domain.name.partition(":")[2] or 0)
        window = domain.window
        truths.append(library.stand_in_energy_j(
            index, window.start_monotonic_ns / 1e9, window.end_monotonic_ns / 1e9))
    out.append({"reading": reading.model_dump_json(), "truths_j": truths, "samples": series,
                "temperatures_c": temperatures_c, "changed_s": changed_s})
backend.close()
print(json.dumps(out))
"""


def build(folder: Path) -> Path:
    """Compile the stand-in; returns the folder for LD_LIBRARY_PATH."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None, "a C compiler (gcc) is needed to build the stand-in"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
    target = folder / LIBRARY
    subprocess.run(
        [*command, "-o", str(target), *map(str, SOURCES), "-lm"], check=True, timeout=120
    )
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
    env: dict[str, str],
    seconds: list[float],
    options: dict[str, Any] | None = None,
    changes: Sequence[tuple[float, int, str, str]] = (),
) -> list[dict[str, Any]]:
    """Measure windows in a process of its own; readings as JSON, with the true joules."""
    told = (json.dumps(one) for one in (seconds, options or {}, changes))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *told],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found
