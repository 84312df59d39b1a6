"""The CPUs of this machine and how they are set, as Linux shows them; None elsewhere.

Files are read, nothing is run: some milliseconds on a machine with hundreds of cores.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from llenergymeasure.domain.hardware import CpuDetails

_CPUS = "sys/devices/system/cpu"
_NODES = "sys/devices/system/node"
_CPU = re.compile(r"cpu[0-9]+")
_NODE = re.compile(r"node[0-9]+")
CPUINFO = Path("/proc/cpuinfo")
# On x86, on MIPS, on older ARM.
_NAME_KEYS = frozenset({"model name", "cpu model", "hardware"})


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
        virtual=is_virtual(root / "proc/cpuinfo"),
    )


def cpu_model(cpuinfo: Path = CPUINFO) -> str | None:
    """The CPU's name as the kernel gives it, else as the platform does."""
    named = (value for key, value in _facts(cpuinfo) if key.lower() in _NAME_KEYS and value)
    return next(named, None) or platform.processor() or None


def is_virtual(cpuinfo: Path = CPUINFO) -> bool | None:
    """Whether this is a virtual machine; None where the kernel does not tell."""
    flags = (value.split() for key, value in _facts(cpuinfo) if key == "flags")
    first = next(flags, None)
    return None if first is None else "hypervisor" in first


def _facts(cpuinfo: Path) -> Iterator[tuple[str, str]]:
    """What the kernel tells, a line at a time: all of it takes long on a large machine."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                yield key.strip(), value.strip()
    except OSError:
        return  # not Linux


def _physical_cores() -> int | None:
    try:
        count: int | None = psutil.cpu_count(logical=False)
    except (OSError, RuntimeError, ValueError):
        return None
    return count


def _turbo(cpus: Path) -> bool | None:
    forbidden = _flag(cpus / "intel_pstate/no_turbo")
    return _flag(cpus / "cpufreq/boost") if forbidden is None else not forbidden


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
