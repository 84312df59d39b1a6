"""The CPUs of this machine and how they are set, as Linux shows them; None elsewhere.

Files are read, nothing is run: some milliseconds on a machine with hundreds of cores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import psutil

from llenergymeasure.domain.hardware import CpuDetails

_CPUS = "sys/devices/system/cpu"
_NODES = "sys/devices/system/node"
_CPU = re.compile(r"cpu[0-9]+")
_NODE = re.compile(r"node[0-9]+")


def cpu_details(root: Path = Path("/")) -> CpuDetails:
    """Collect the facts below ``root``; one that cannot be had is None."""
    cpus = _folders(root / _CPUS, _CPU)
    lowest = _numbers(cpu / "cpufreq/cpuinfo_min_freq" for cpu in cpus)
    highest = _numbers(cpu / "cpufreq/cpuinfo_max_freq" for cpu in cpus)
    nodes = _folders(root / _NODES, _NODE)
    return CpuDetails(
        sockets=len(set(_numbers(cpu / "topology/physical_package_id" for cpu in cpus))) or None,
        physical_cores=_physical_cores(),
        smt=_flag(root / _CPUS / "smt/active"),
        governors=tuple(sorted(set(_texts(cpu / "cpufreq/scaling_governor" for cpu in cpus)))),
        turbo=_turbo(root / _CPUS),
        min_mhz=min(lowest) / 1e3 if lowest else None,
        max_mhz=max(highest) / 1e3 if highest else None,
        numa_nodes=len(nodes) or None,
        virtual=_virtual(root / "proc/cpuinfo"),
    )


def _physical_cores() -> int | None:
    try:
        count: int | None = psutil.cpu_count(logical=False)
    except (OSError, RuntimeError, ValueError):
        return None
    return count


def _turbo(cpus: Path) -> bool | None:
    forbidden = _flag(cpus / "intel_pstate/no_turbo")
    return _flag(cpus / "cpufreq/boost") if forbidden is None else not forbidden


def _virtual(cpuinfo: Path) -> bool | None:
    for line in _text(cpuinfo).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return "hypervisor" in value.split()
    return None


def _folders(parent: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if name.fullmatch(path.name)]
    except OSError:
        return []


def _flag(file: Path) -> bool | None:
    return {"0": False, "1": True}.get(_text(file))


def _numbers(files: Iterable[Path]) -> list[int]:
    return [int(text) for text in _texts(files) if text.isdecimal()]


def _texts(files: Iterable[Path]) -> list[str]:
    return [text for file in files if (text := _text(file))]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
