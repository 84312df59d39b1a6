"""What watching a GPU costs: CPU time of our sampler, of Zeus' PowerMonitor and of CodeCarbon.

    python benchmarks/sampler_cost.py [--rounds 3] [--seconds 20] [--write benchmarks/RESULTS.md]

One GPU of the stand-in for NVIDIA's library (tests/native). Every tool has a process of its own and
all run at the same time; what it used idle, set up but not sampling, is taken off. Processes that
a tool starts count as its own. Zeus may be in another environment: --zeus-python.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
GPU = "curve=square,low=80,high=700,duty=0.25,ripple=0.5"
RATES_HZ = (10, 100)
OURS = "lem"
ALL = f"{OURS}, all of it"
STATE = "load, memory, heat, clocks, limit, throttling"
# What each tool reads.
TOOLS = {
    OURS: f"power and energy; {STATE} at 10 Hz; processes at 1 Hz",
    ALL: f"power, energy, {STATE}; processes at 1 Hz",
    "zeus": "instant and average power",
    "zeus, one domain": "instant power",
    "codecarbon": "energy; CPU and memory of the machine",
}
DEFAULTS = f"{OURS}, defaults"
SETTLE_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="idle, and again sampling")
    parser.add_argument("--zeus-python", default=sys.executable, help="has the package zeus")
    parser.add_argument("--write", type=Path, help="replace the table in this file")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        tool, hz = arguments.one
        print(json.dumps(one_tool(tool, float(hz), arguments.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        library = loaded("nvml_stand_in", HERE.parent / "tests" / "native" / "stand_in.py")
        env = environment(library, Path(folder))
        told = [
            {"hz": hz, **found}
            for _ in range(arguments.rounds)
            for hz in RATES_HZ
            for found in [side_by_side(env, hz, arguments)]
        ]
    report = rendered(told, arguments)
    print(report)
    if arguments.write:
        reporting = loaded("reporting", HERE / "reporting.py")
        reporting.write_between_marks(arguments.write, "sampler cost", report)


def environment(library: ModuleType, folder: Path) -> dict[str, str]:
    library.build(folder)
    # CodeCarbon believes in NVIDIA GPUs only where this command exists.
    command = folder / "nvidia-smi"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    env: dict[str, str] = library.environment(
        folder, GPU, PATH=f"{folder}:{os.environ['PATH']}", OMP_NUM_THREADS="1"
    )
    return env


def side_by_side(
    env: dict[str, str], hz: float, arguments: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """All tools at once; what each said."""
    names = [*TOOLS, DEFAULTS]
    running = {
        name: subprocess.Popen(
            [
                arguments.zeus_python if name.startswith("zeus") else sys.executable,
                __file__,
                *("--one", name, str(hz), "--seconds", str(arguments.seconds)),
            ],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    }
    found = {}
    for name, process in running.items():
        out, error = process.communicate(timeout=2 * arguments.seconds + 180)
        if process.returncode:
            print(f"{name}: {error.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        found[name] = json.loads(out.splitlines()[-1])
        print(hz, name, found[name], file=sys.stderr)
    return found


# --- in a tool's own process ------------------------------------------------------------------


def one_tool(name: str, hz: float, seconds: float) -> dict[str, Any]:
    logging.disable(logging.CRITICAL)
    start, stop = {
        OURS: lambda: ours(hz, state_hz=10),
        ALL: lambda: ours(hz, state_hz=hz),
        DEFAULTS: lambda: ours(None, state_hz=10),
        "zeus": lambda: zeus(hz, None),
        "zeus, one domain": lambda: zeus(hz, ["device_instant"]),
        "codecarbon": lambda: codecarbon(hz),
    }[name]()
    idle_s = cpu_of(seconds)
    edges_s = cpu_s()
    start()
    edges_s = cpu_s() - edges_s
    time.sleep(SETTLE_S)
    begin = time.monotonic()
    busy_s = cpu_of(seconds)
    sampled_s = time.monotonic() - begin + SETTLE_S
    before_stop_s = cpu_s()
    samples = stop()
    edges_s += cpu_s() - before_stop_s
    return {
        "cpu_s_a_minute": (busy_s - idle_s) * 60 / seconds,
        "hz": samples / sampled_s,
        "edges_s": edges_s,
    }


def cpu_of(seconds: float) -> float:
    before_s = cpu_s()
    time.sleep(seconds)
    return cpu_s() - before_s


def cpu_s() -> float:
    """CPU seconds of this process, of those it runs, and of those that it ran."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The kernel's id of the clock that counts another process' CPU time.
    clocks = [(~child.pid << 3) | 2 for child in multiprocessing.active_children() if child.pid]
    running_s = sum(time.clock_gettime(clock) for clock in clocks)
    return time.process_time() + ended.ru_utime + ended.ru_stime + running_s


Tool = tuple[Callable[[], object], Callable[[], int]]


def ours(hz: float | None, state_hz: float) -> Tool:
    from llenergymeasure.config.backend_configs import NvmlConfig
    from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend

    backend = NvmlBackend(NvmlConfig(interval_ms=None if hz is None else 1e3 / hz))
    backend.sample_every(1 / state_hz)
    backend.prepare()

    def stop() -> int:
        reading = backend.stop()
        (conditions,) = reading.conditions
        assert conditions.power_w is not None and conditions.temperature_c is not None
        if hz is not None:
            assert (
                abs(conditions.power_w.n / conditions.temperature_c.n / (hz / state_hz) - 1) < 0.1
            )
        return conditions.power_w.n

    return backend.start, stop


def zeus(hz: float, domains: list[str] | None) -> Tool:
    from zeus.monitor.power import PowerMonitor

    monitors: list[Any] = []

    def start() -> None:
        monitors.append(PowerMonitor([0], update_period=1 / hz, power_domains=domains))

    def stop() -> int:
        (monitor,) = monitors
        samples = len(monitor.get_power_timeline("device_instant")[0])
        monitor.stop()
        return samples

    return start, stop


def codecarbon(hz: float) -> Tool:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA",
        measure_power_secs=1 / hz,
        save_to_file=False,
        log_level="critical",
        allow_multiple_runs=True,
    )
    count = [0]
    measure = tracker._do_measurements

    def counted() -> None:
        count[0] += 1
        measure()

    tracker._do_measurements = counted

    def stop() -> int:
        tracker.stop()
        return count[0]

    return tracker.start, stop


# --- the table ----------------------------------------------------------------------------------


def rendered(told: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    reporting = loaded("reporting", HERE / "reporting.py")
    lines = [
        "| CPU s a minute | 10 Hz: median (min to max) | % of a core | 100 Hz | % of a core "
        "| reads |",
        "|---|---|---|---|---|---|",
    ]
    for name, reads in TOOLS.items():
        cells = [cell for hz in RATES_HZ for cell in cost_cells(told, name, hz, reporting)]
        lines.append(f"| {name} | {' | '.join(cells)} | {reads} |")
    defaults = [run[DEFAULTS] for run in told if DEFAULTS in run]
    spread = reporting.spread([one["cpu_s_a_minute"] for one in defaults], 3)
    power_hz = statistics.median(one["hz"] for one in defaults)
    edges = [run[OURS]["edges_s"] for run in told if OURS in run]
    lines += [
        "",
        f"{OURS} by default reads power as often as its sensor is updated and the rest at 10 Hz: "
        f"{spread} CPU s a minute here, where that is {power_hz:.0f} Hz; with sensors of 100 ms "
        "(A100, H100, RTX 3090 and 4090) it is the first row. Opening and closing a window, "
        f"during which its counter is watched closely, takes {reporting.spread(edges, 3)} CPU s. "
        f"{reporting.machine('nvidia-ml-py', 'codecarbon')}, zeus "
        f"{version_in(arguments.zeus_python, 'zeus')}; {arguments.rounds} rounds of "
        f"{arguments.seconds:g} s, all tools at once; calls of the stand-in's library take next "
        "to no time, those of a driver take longer.",
    ]
    return "\n".join(lines)


def cost_cells(
    told: list[dict[str, Any]], name: str, hz: float, reporting: ModuleType
) -> list[str]:
    costs = [run[name]["cpu_s_a_minute"] for run in told if run["hz"] == hz and name in run]
    if not costs:
        return ["not installed", ""]
    return [reporting.spread(costs, 3), f"{statistics.median(costs) / 0.6:.2f}"]


def version_in(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not installed"


def loaded(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
