"""The curves by which the stand-in's GPUs play each experiment's load."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from gputruth.load import LEVELS, PULSE_PERIOD_S, SWEEP_DUTY, SWEEP_PERIOD_S
from gputruth.plan import Plan

IDLE_W = {"bare": 70.0, "context": 112.0, "loaded": 119.0}
LOW_W, HIGH_W = 80.0, 700.0
UNEVEN = f"curve=square,low={LOW_W},high={HIGH_W},period=0.37,duty=0.4"


def gpus(experiment: str, plan: Plan, keys: str) -> str:
    """The stand-in's setting: one GPU a case; ``keys`` go to all of them (a fault, say)."""
    parts = _cases(experiment, plan)
    return ";".join(f"{part},ripple=0.5" + (f",{keys}" if keys else "") for part in parts)


def stand_in() -> ModuleType:
    """The tests' module that builds the stand-in."""
    file = Path(__file__).resolve().parents[2] / "tests" / "native" / "stand_in.py"
    spec = importlib.util.spec_from_file_location("nvml_stand_in", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _cases(experiment: str, plan: Plan) -> list[str]:
    pulse = f"curve=square,low={LOW_W},high={HIGH_W}"
    match experiment:
        case "ladder":
            return [f"curve=constant,high={IDLE_W[level]}" for level in LEVELS]
        case "phases":
            return [
                f"{pulse},period={SWEEP_PERIOD_S},duty={SWEEP_DUTY},"
                f"offset={SWEEP_PERIOD_S * case / plan.phases}"
                for case in range(plan.phases)
            ]
        case "duties":
            return [f"{pulse},period={PULSE_PERIOD_S},duty={duty}" for duty in plan.duties]
        case "doubled":
            return ["curve=constant,high=350"]
        case "foreign":
            # Counted from the start of the experiment's process: in the middle of its last window.
            joins_s = 2.0 + plan.foreign_s / 2
            return [f"{UNEVEN},own=1", f"{UNEVEN},own=1,foreign_pid=1,foreign_at=+{joins_s}"]
        case _:
            return [UNEVEN]
