"""Joules against a known truth: our NVML source, zeus and CodeCarbon in the same windows.

    python benchmarks/nvml_truth.py [--repeats 2] [--seconds 10] [--write benchmarks/RESULTS.md]
    python benchmarks/nvml_truth.py --virtual 1000 [--write benchmarks/RESULTS.md]

A stand-in for NVIDIA's library (tests/native) draws closed-form powers; the exact integral over
each tool's own window is the truth. One window at a time, 10 to 11 s long, at a random phase.
zeus and CodeCarbon take part where they are installed. ``--virtual`` runs our source alone, on a
virtual clock.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import nvml_virtual
from reporting import machine, write_between_marks

HERE = Path(__file__).resolve().parent
CURVES = {
    "constant 350 W": "curve=constant,high=350",
    "ramp 80 to 700 W in 3 s": "curve=ramp,low=80,high=700,period=3",
    "square, duty 0.1": "curve=square,low=80,high=700,duty=0.1",
    "square, duty 0.25": "curve=square,low=80,high=700,duty=0.25",
    "square, duty 0.9": "curve=square,low=80,high=700,duty=0.9",
}
COUNTERS = {"20 ms": "counter_ms=20", "100 ms": "counter_ms=100", "none": "no_counter=1"}
OURS = "lem"
J_PER_KWH = 3.6e6
# A refusal is an answer, and better than a wrong number.
Answer = tuple[float, float, float] | str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2, help="windows of each curve and counter")
    parser.add_argument("--seconds", type=float, default=10.0, help="shortest window")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="replace the table in this file")
    parser.add_argument("--virtual", type=int, metavar="N", help="N windows on a virtual clock")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        print(json.dumps(one_window(arguments.one)))
        return
    name, report = virtual(arguments) if arguments.virtual else real(arguments)
    print(report)
    if arguments.write:
        write_between_marks(arguments.write, name, report)


def virtual(arguments: argparse.Namespace) -> tuple[str, str]:
    report = nvml_virtual.table(arguments.virtual, arguments.seed)
    return "nvml truth, virtual", f"{report} {machine()}."


def real(arguments: argparse.Namespace) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        library = stand_in().build(Path(folder))
        with_nvidia_smi(library)
        told = all_windows(library, arguments)
    return "nvml truth", render(told, arguments)


def with_nvidia_smi(folder: Path) -> None:
    """CodeCarbon believes in NVIDIA GPUs only where this command exists."""
    command = folder / "nvidia-smi"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)


def all_windows(library: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rng = random.Random(arguments.seed)
    told = []
    for counter, setting in COUNTERS.items():
        for curve, shape in CURVES.items():
            for _ in range(arguments.repeats):
                phases = ",".join(
                    f"{name}={rng.uniform(0, 1000):.3f}"
                    for name in ("counter_phase_ms", "power_phase_ms")
                )
                gpu = f"{shape},{setting},{phases},offset={rng.uniform(0, 3):.4f},ripple=0.5"
                seconds = arguments.seconds + rng.random()
                answers = in_own_process(library, gpu, seconds)
                told.append({"counter": counter, "curve": curve, "tools": answers})
                print(counter, curve, summary(answers), file=sys.stderr)
    return told


def in_own_process(library: Path, gpu: str, seconds: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(seconds)],
        env=stand_in().environment(library, gpu, PATH=f"{library}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def one_window(seconds: float) -> dict[str, Any]:
    """In a process of its own: all tools around one sleep; error and interval of each, in %."""
    truth_j = stand_in().truth()
    tools = [tool() for tool in (ours, zeus, codecarbon)]
    stops = [(name, start()) for name, start in tools if start is not None]
    time.sleep(seconds)
    found = {name: stop() for name, stop in reversed(stops)}
    return {name: judged(answer, truth_j) for name, answer in found.items()}


def judged(answer: Any, truth_j: Callable[[float, float], float]) -> dict[str, Any]:
    if isinstance(answer, str):
        return {"refused": answer}
    joules, half_j, start_s, end_s = answer
    exact_j = truth_j(start_s, end_s)
    inside = None if half_j is None else abs(joules - exact_j) <= half_j
    return {
        "error_percent": 100 * (joules - exact_j) / exact_j,
        "half_percent": None if half_j is None else 100 * half_j / exact_j,
        "inside": inside,
    }


def ours() -> tuple[str, Any]:
    from llenergymeasure.config.backend_configs import NvmlConfig
    from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend

    backend = NvmlBackend(NvmlConfig())
    backend.prepare()

    def start() -> Any:
        backend.start()
        return stop

    def stop() -> Any:
        (domain,) = backend.stop().domains
        if domain.joules is None or domain.window is None or domain.uncertainty is None:
            return domain.reason or "no number"
        parts = domain.uncertainty
        half_j = (parts.edge_j or 0.0) + (parts.sampling_j or 0.0)
        window = domain.window
        times_s = window.start_monotonic_ns / 1e9, window.end_monotonic_ns / 1e9
        return (domain.joules, half_j, *times_s)

    return OURS, start


def zeus() -> tuple[str, Any]:
    try:
        import logging

        logging.disable(logging.CRITICAL)
        from zeus.monitor import ZeusMonitor
    except ImportError:
        return "zeus", None
    times: list[float] = []
    try:
        monitor = ZeusMonitor(gpu_indices=[0])
    except Exception as error:  # noqa: BLE001 - what it says is its answer
        refusal = type(error).__name__
        return "zeus", lambda: lambda: refusal

    def start() -> Any:
        before = time.monotonic()
        try:
            monitor.begin_window("w", sync_execution=False)
        except Exception as error:  # noqa: BLE001
            refusal = type(error).__name__
            return lambda: refusal
        times.append((before + time.monotonic()) / 2)
        return stop

    def stop() -> Any:
        before = time.monotonic()
        try:
            measured = monitor.end_window("w", sync_execution=False)
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return (measured.total_energy, None, times[0], (before + time.monotonic()) / 2)

    return "zeus", start


def codecarbon() -> tuple[str, Any]:
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        return "codecarbon", None
    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", save_to_file=False, log_level="critical", allow_multiple_runs=True
    )
    tracker.start_task("priming")
    tracker.stop_task("priming")
    times: list[float] = []

    def start() -> Any:
        before = time.monotonic()
        tracker.start_task("w")
        times.append((before + time.monotonic()) / 2)
        return stop

    def stop() -> Any:
        before = time.monotonic()
        data = tracker.stop_task("w")
        end_s = (before + time.monotonic()) / 2
        if not data.gpu_count:
            return "finds no GPU"
        return (data.gpu_energy * J_PER_KWH, None, times[0], end_s)

    return "codecarbon", start


def summary(answers: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {a['refused'] if 'refused' in a else format(a['error_percent'], '+.3f') + ' %'}"
        for name, a in answers.items()
    )


def render(told: list[dict[str, Any]], arguments: argparse.Namespace) -> str:
    names = list(dict.fromkeys(name for window in told for name in window["tools"]))
    heads = [f"{name} {_version(name)}".strip() for name in names]
    lines = [
        "| counter | windows | " + " | ".join(f"{head}: worst (median)" for head in heads) + " |",
        "|---|---" + "|---" * len(heads) + "|",
    ]
    for counter in COUNTERS:
        windows = [window["tools"] for window in told if window["counter"] == counter]
        cells = [_cell([w[name] for w in windows if name in w]) for name in names]
        lines.append(f"| {counter} | {len(windows)} | " + " | ".join(cells) + " |")
    ours_told = [w["tools"][OURS] for w in told if "inside" in w["tools"][OURS]]
    inside = sum(bool(answer["inside"]) for answer in ours_told)
    half = statistics.median(answer["half_percent"] for answer in ours_told)
    lines += [
        "",
        f"Our interval (sensor gain left out) held the truth in {inside} of {len(ours_told)} "
        f"windows; its median half-width was {half:.3f} %. "
        f"{machine()}, load {os.getloadavg()[1]:.1f}; windows of "
        f"{arguments.seconds:g} to {arguments.seconds + 1:g} s, power updated every 20 ms with "
        "0.5 W of noise on the reading; curves: " + "; ".join(CURVES) + ".",
    ]
    return "\n".join(lines)


def _cell(answers: list[dict[str, Any]]) -> str:
    errors = [abs(answer["error_percent"]) for answer in answers if "error_percent" in answer]
    refusals = sorted({answer["refused"] for answer in answers if "refused" in answer})
    parts = []
    if errors:
        parts.append(f"{max(errors):.3f} % ({statistics.median(errors):.3f} %)")
    if refusals:
        parts.append(f"no number: {', '.join(refusals)}")
    return "; ".join(parts) or "not installed"


def _version(name: str) -> str:
    try:
        return "" if name == OURS else metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def stand_in() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "nvml_stand_in", HERE.parent / "tests" / "native" / "stand_in.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
