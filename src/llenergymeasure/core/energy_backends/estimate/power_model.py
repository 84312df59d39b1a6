"""What a core and a GiB are taken to draw, and where that comes from.

CPU: TDP / cores for each core in use.   Memory: a constant power by its size.
"""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from llenergymeasure.config.backend_configs import EstimateConfig
from llenergymeasure.core.energy_backends.rapl.mirrors import sockets_of_this_machine
from llenergymeasure.core.machine.cpu import CPUINFO, cpu_model, is_virtual

# TDP / cores of today's server processors is 3.5 to 6.3 W (EPYC 7742: 225 W, 64 cores; Xeon
# 8480+: 350 W, 56 cores); desktops take more.
USUAL_W_PER_CORE = 5.0

# Memory of 8 GiB a module, 3 W each, up to 64 GiB; what is beyond comes in modules of 64 GiB, 5 W.
SMALL_MEMORY_GIB = 64.0
SMALL_W_PER_GIB = 3.0 / 8.0
LARGE_W_PER_GIB = 5.0 / 64.0

_GIB = 2**30
_NOISE = re.compile(
    r"\((?:r|tm)\)|\bcpu\b|\bprocessor\b|\b(?:\d+|dual|quad|six|eight)-cores?\b"
    r"|^\d+(?:st|nd|rd|th) gen\b|@.*|\bwith\b.*"
)
_CORES = re.compile(r"\b(\d+)-core", re.IGNORECASE)


@dataclass(frozen=True)
class Machine:
    """What the models go by. None where it is not known.

    Attributes:
        cpu: The processor's name as the kernel tells it.
        virtual: A virtual machine, which has a part of the processor's cores.
        cores: Physical cores.
        sockets: Processors.
        memory_bytes: Memory installed.
    """

    cpu: str | None
    virtual: bool
    cores: int
    sockets: int
    memory_bytes: int


@dataclass(frozen=True)
class CpuModel:
    """Power of a core in use.

    Attributes:
        w_per_core: In W.
        cores: How many can be in use at once.
        origin: Where it comes from, in words.
    """

    w_per_core: float
    cores: int
    origin: str


def this_machine(cpuinfo: Path = CPUINFO) -> Machine:
    """The machine that this runs on."""
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return Machine(
        cpu=cpu_model(cpuinfo),
        virtual=is_virtual(cpuinfo) or False,
        cores=cores,
        sockets=sockets_of_this_machine() or 1,
        memory_bytes=psutil.virtual_memory().total,
    )


def cpu_power(options: EstimateConfig, machine: Machine) -> CpuModel:
    """What a core in use is taken to draw."""
    cores = machine.cores
    if options.cpu_tdp_w is not None:
        words = f"TDP {options.cpu_tdp_w:g} W (energy.estimate.cpu_tdp_w) / {cores} cores"
        return CpuModel(options.cpu_tdp_w / cores, cores, words)
    tdp_w = thermal_design_power_w(machine.cpu)
    if tdp_w is None:
        return _usual(cores, f"the TDP of {machine.cpu or 'this processor'} is not known")
    named = _CORES.search(machine.cpu or "")
    if named is None and machine.virtual:
        return _usual(
            cores, "how many cores the processor of this virtual machine has is not known"
        )
    of_cores = int(named[1]) if named else max(cores // machine.sockets, 1)
    words = f"TDP {tdp_w:g} W / {of_cores} cores ({machine.cpu} in CodeCarbon's table)"
    return CpuModel(tdp_w / of_cores, cores, words)


def memory_power(options: EstimateConfig, machine: Machine) -> tuple[float, str]:
    """What the memory is taken to draw in W, and where that comes from."""
    gib = machine.memory_bytes / _GIB
    if options.ram_w_per_gib is not None:
        words = f"{gib:.1f} GiB x {options.ram_w_per_gib:g} W (energy.estimate.ram_w_per_gib)"
        return gib * options.ram_w_per_gib, words
    small_gib = min(gib, SMALL_MEMORY_GIB)
    power_w = small_gib * SMALL_W_PER_GIB + (gib - small_gib) * LARGE_W_PER_GIB
    words = (
        f"{power_w:.1f} W for {gib:.1f} GiB (assumed: 3 W for each 8 GiB up to 64 GiB, 5 W for "
        "each 64 GiB beyond)"
    )
    return power_w, words


def thermal_design_power_w(cpu: str | None) -> float | None:
    """A processor's TDP in W by CodeCarbon's table; None if it is not in it."""
    wanted = _plain(cpu or "")
    if not wanted:
        return None
    return next((tdp_w for name, tdp_w in _table() if _plain(name) == wanted), None)


def _usual(cores: int, why: str) -> CpuModel:
    return CpuModel(USUAL_W_PER_CORE, cores, f"{USUAL_W_PER_CORE:g} W a core (assumed: {why})")


def _plain(name: str) -> str:
    """A processor's name without what its makers add to it."""
    return " ".join(_NOISE.sub(" ", name.lower()).split())


def _table() -> Iterator[tuple[str, float]]:
    # Found without importing CodeCarbon, which takes a second.
    spec = importlib.util.find_spec("codecarbon")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        try:
            with (Path(folder) / "data/hardware/cpu_power.csv").open(encoding="utf-8") as file:
                yield from _rows(csv.DictReader(file))
        except (OSError, csv.Error, UnicodeDecodeError):
            return  # a table in another form is no table


def _rows(table: Iterable[Mapping[str, str | None]]) -> Iterator[tuple[str, float]]:
    for row in table:
        try:
            yield row["Name"] or "", float(row["TDP"] or "")
        except (KeyError, ValueError):
            continue  # some rows have no number
