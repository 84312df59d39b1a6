"""The machine and the software that a result was made with.

Quick, and without importing an engine: what only an engine knows, its backend tells. Variables
are read by name, so that no secret can slip into a result.
"""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import psutil

from llenergymeasure.core.gpu_info import gpu_inventory
from llenergymeasure.core.machine.cpu import cpu_details, cpu_model
from llenergymeasure.domain.environment import EnvironmentMetadata

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "KMP_AFFINITY",
    "GOMP_CPU_AFFINITY",
    "TOKENIZERS_PARALLELISM",
    "RAYON_NUM_THREADS",
)

PACKAGES = (
    "accelerate",
    "codecarbon",
    "huggingface-hub",
    "numpy",
    "nvidia-ml-py",
    "psutil",
    "pyarrow",
    "pydantic",
    "safetensors",
    "tensorrt-llm",
    "tokenizers",
    "torch",
    "transformers",
    "triton",
    "vllm",
)

# What the first process's cgroup path holds inside of each kind of container.
_CGROUP_MARKS = {
    "kubepods": "kubernetes",
    "docker": "docker",
    "libpod": "podman",
    "containerd": "containerd",
    "lxc": "lxc",
}


def collect_environment() -> EnvironmentMetadata:
    """Collect the facts; a fact that cannot be had is None."""
    inventory = gpu_inventory()
    return EnvironmentMetadata(
        hostname=socket.gethostname(),
        os=platform.platform(),
        python_version=platform.python_version(),
        lem_version=_version("llenergymeasure") or "unknown",
        boot_id=_boot_id(),
        kernel=platform.release() or None,
        cpu_model=cpu_model(),
        cpu=cpu_details(),
        logical_cpus=os.cpu_count(),
        affinity=_affinity(),
        memory_bytes=_memory_bytes(),
        container=container(),
        gpus=tuple(gpu.name for gpu in inventory.gpus if gpu.name is not None),
        gpu_details=inventory.gpus,
        gpu_reason=inventory.problem,
        gpu_driver=inventory.driver,
        cuda_driver=inventory.cuda,
        thread_settings={name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        packages={name: found for name in PACKAGES if (found := _version(name)) is not None},
    )


def container(root: Path = Path("/"), env: Mapping[str, str] = os.environ) -> str | None:
    """The kind of container this runs in; None outside of one, as far as one can tell."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    if "KUBERNETES_SERVICE_HOST" in env:
        return "kubernetes"
    if env.get("container"):
        return env["container"]
    for line in _lines(root / "proc/1/cgroup"):
        for mark, kind in _CGROUP_MARKS.items():
            if mark in line:
                return kind
    return None


def _boot_id(file: Path = Path("/proc/sys/kernel/random/boot_id")) -> str | None:
    return next(iter(_lines(file)), "").strip() or None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _affinity() -> tuple[int, ...] | None:
    # Linux only; elsewhere the function does not exist.
    if not hasattr(os, "sched_getaffinity"):
        return None
    return tuple(sorted(os.sched_getaffinity(0)))


def _memory_bytes() -> int | None:
    try:
        return int(psutil.virtual_memory().total)
    except (OSError, RuntimeError, ValueError):
        return None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
