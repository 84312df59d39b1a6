"""The NVML source on a virtual clock: a thousand windows in a minute; ``nvml_truth.py --virtual``.

The same code as for real windows, under a GPU and a machine that are simulated (tests/unit): reads
take time, sleeps are late, and on a busy machine somebody else has the processor now and then.
"""

from __future__ import annotations

import importlib.util
import random
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

COUNTERS_S = {"20 ms": 0.02, "100 ms": 0.1, "none": None}
GAIN = 0.05
_SOURCE = Path(__file__).parents[1] / "tests/unit/core/energy_backends/gpu/virtual_gpu.py"


@dataclass(frozen=True)
class Machine:
    """How often somebody else has the processor after a sleep; whether the gain is drawn."""

    name: str
    busy: float = 0.0
    gain: float = 0.0


MACHINES = (
    Machine("calm"),
    Machine("calm, gain drawn", gain=GAIN),
    Machine("busy", busy=0.3),
    Machine("very busy", busy=1.0),
)


def table(windows: int, seed: int) -> str:
    """So many windows on each machine, shared out among curves and counters."""
    lines = [
        "| machine | counter | windows | worst error (median) | half-width: median (nine of ten) "
        "| held without the gain's part | held with it |",
        "|---|---|---|---|---|---|---|",
    ]
    for machine in MACHINES:
        found = all_windows(machine, windows, seed)
        lines += [_row(machine, counter, found[counter]) for counter in COUNTERS_S]
        everything = [outcome for outcomes in found.values() for outcome in outcomes]
        print(machine.name, len(everything), file=sys.stderr)
    return "\n".join([*lines, "", _legend()])


def all_windows(machine: Machine, windows: int, seed: int) -> dict[str, list[Any]]:
    curves = list(virtual().CURVES)
    cases = [(counter, curve) for counter in COUNTERS_S for curve in curves]
    tasks = [
        (counter, curve, windows // len(cases) + (place < windows % len(cases)), machine, seed)
        for place, (counter, curve) in enumerate(cases)
    ]
    found: dict[str, list[Any]] = {counter: [] for counter in COUNTERS_S}
    with ProcessPoolExecutor() as pool:
        for (counter, *_), outcomes in zip(tasks, pool.map(_case, tasks), strict=True):
            found[counter] += [virtual().Outcome(*outcome) for outcome in outcomes]
    return found


def _case(task: tuple[str, str, int, Machine, int]) -> list[tuple[float, ...]]:
    counter, curve, windows, machine, seed = task
    rng = random.Random(f"{seed} {counter} {curve} {machine.name}")
    outcomes = virtual().outcomes(
        rng, curve, COUNTERS_S[counter], windows, gain_spread=machine.gain, busy=machine.busy
    )
    return [(o.truth_j, o.error_j, o.seen_j, o.whole_j) for o in outcomes]


def _row(machine: Machine, counter: str, outcomes: list[Any]) -> str:
    errors = [100 * o.error_j / o.truth_j for o in outcomes]
    halves = sorted(100 * o.seen_j / o.truth_j for o in outcomes)
    nine_of_ten = halves[int(0.9 * len(halves))]
    cells = [
        machine.name,
        counter,
        str(len(outcomes)),
        f"{max(errors):.3f} % ({statistics.median(errors):.3f} %)",
        f"{statistics.median(halves):.3f} % ({nine_of_ten:.3f} %)",
        _share(o.error_j <= o.seen_j for o in outcomes),
        _share(o.error_j <= o.whole_j for o in outcomes),
    ]
    return f"| {' | '.join(cells)} |"


def _share(held: Iterator[bool]) -> str:
    told = list(held)
    return f"{100 * sum(told) / len(told):.1f} %"


def _legend() -> str:
    return (
        "Windows of 10 to 11 s, power updated every 20 ms with 0.5 W of noise on the reading; "
        "curves: "
        + "; ".join(virtual().CURVES)
        + ". Errors are against the exact integral over the window; where the gain is drawn (from "
        f"1 ± {GAIN:g}, as the class of device allows), they hold it too. Busy: after 30 % of the "
        "sleeps and 3 % of the reads somebody else has the processor, for 0.5 to 400 ms (a Pareto "
        "distribution, exponent 1.1); very busy: after every sleep and 10 %."
    )


def virtual() -> ModuleType:
    name = "virtual_gpu"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _SOURCE)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
