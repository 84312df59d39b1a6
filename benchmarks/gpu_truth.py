"""Is this GPU's joule true? Seven experiments on a real one, in under 15 minutes.

    python benchmarks/gpu_truth.py --write benchmarks/GPU.md --raw benchmarks/gpu_raw

Clocks, limits and MIG are only looked at. The load is torch's (`--load torch`, where it has CUDA);
without it (`--load none`) what needs a load is skipped. `--stand-in` proves the script itself: the
stand-in of tests/native plays both GPU and load, with more keys for all of its GPUs if given
(`--stand-in part_time=25`). `--quick` is for that.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gputruth.analysis import FAILS, SKIPPED
from gputruth.plan import FULL, QUICK, Plan
from gputruth.report import TITLES, render, write_raw
from reporting import machine, write_between_marks

# An experiment's process: what its own windows take, imports of torch, and more.
SPARE_S = 180.0
NEED_LOAD = ("phases", "duties", "doubled", "foreign")


def main() -> int:
    arguments = parsed()
    plan = QUICK if arguments.quick else FULL
    if arguments.one:
        print(json.dumps(one(arguments.one, arguments.load, arguments.device, plan)))
        return 0
    load = chosen_load(arguments)
    begin_s = time.monotonic()
    with environment(arguments) as env_of:
        about = in_own_process("about", load, arguments, env_of("about", plan))
        if "failed" in about:
            print(about["failed"], file=sys.stderr)
            return 1
        found = {}
        for name in arguments.only or TITLES:
            print(f"{name} ...", file=sys.stderr, end=" ", flush=True)
            found[name] = outcome_of(name, load, arguments, env_of(name, plan))
            print(found[name]["verdict"]["outcome"], file=sys.stderr)
    report = render(head(about, load, arguments, time.monotonic() - begin_s), found)
    print(report)
    if arguments.write:
        write_between_marks(arguments.write, "gpu truth", report)
    if arguments.raw:
        for name, outcome in found.items():
            write_raw(arguments.raw, name, outcome)
    return int(any(outcome["verdict"]["outcome"] == FAILS for outcome in found.values()))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="0", help="NVML index or UUID")
    parser.add_argument("--load", choices=["auto", "torch", "none", "curves"], default="auto")
    parser.add_argument("--only", nargs="+", choices=TITLES, metavar="EXPERIMENT")
    parser.add_argument("--quick", action="store_true", help="short windows, to try the script")
    parser.add_argument("--stand-in", nargs="?", const="", metavar="KEYS")
    parser.add_argument("--write", type=Path, help="put the report between the marks of this file")
    parser.add_argument("--raw", type=Path, help="folder for raw samples as CSV")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def chosen_load(arguments: argparse.Namespace) -> str:
    """``torch``, ``none`` or ``curves``."""
    if arguments.load != "auto":
        return str(arguments.load)
    if arguments.stand_in is not None:
        return "curves"
    ask = "import torch, sys; sys.exit(not torch.cuda.is_available())"
    # In a process of its own: a context here would spoil the ladder's first level.
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, timeout=SPARE_S)
    return "none" if done.returncode else "torch"


@contextlib.contextmanager
def environment(arguments: argparse.Namespace) -> Iterator[Any]:
    """The variables of an experiment's process, by its name."""
    if arguments.stand_in is None:
        yield lambda _name, _plan: dict(os.environ)
        return
    from gputruth.stand_in_gpus import gpus, stand_in

    with tempfile.TemporaryDirectory() as folder:
        library = stand_in().build(Path(folder))
        yield lambda name, plan: stand_in().environment(
            library, gpus(name, plan, arguments.stand_in)
        )


def outcome_of(
    name: str, load: str, arguments: argparse.Namespace, env: dict[str, str]
) -> dict[str, Any]:
    if load == "none" and name in NEED_LOAD:
        return without(SKIPPED, "it needs a load, and torch with CUDA is not here")
    told = in_own_process(name, load, arguments, env)
    return without(FAILS, told["failed"]) if "failed" in told else told


def without(outcome: str, words: str) -> dict[str, Any]:
    return {"rows": [], "samples": [], "notes": [], "verdict": {"outcome": outcome, "words": words}}


def in_own_process(
    name: str, load: str, arguments: argparse.Namespace, env: dict[str, str]
) -> dict[str, Any]:
    """An experiment by itself: no context, no thread and no fault of it reaches the next."""
    command = [
        sys.executable,
        __file__,
        "--one",
        name,
        "--load",
        load,
        "--device",
        arguments.device,
    ]
    command += ["--quick"] if arguments.quick else []
    plan = QUICK if arguments.quick else FULL
    limit_s = 3 * sum(plan.windows_s) + SPARE_S
    try:
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"it took longer than {limit_s:.0f} s"}
    if done.returncode != 0:
        return {"failed": f"its process ended with {done.returncode} (see stderr)"}
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def one(name: str, kind: str, device: str, plan: Plan) -> dict[str, Any]:
    """In a process of its own: what the GPU is, or one experiment."""
    from gputruth import experiments, registers
    from gputruth.load import CurveLoad, TorchLoad, Unloaded

    # Devices are named by UUID; what CUDA is to see is each load's own business.
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        uuid = registers.device_uuid(device)
    except Exception as error:  # noqa: BLE001 - there is no GPU; that is said, not thrown
        return {"failed": f"GPU {device} cannot be found: {error}"}
    if name == "about":
        return registers.description(uuid)
    loads = {"torch": TorchLoad, "none": Unloaded, "curves": lambda _: CurveLoad()}
    load = loads[kind](uuid)
    try:
        outcome = getattr(experiments, name)(load, uuid, plan)
    except experiments.NothingToMeasureError as error:
        return without(SKIPPED, str(error))
    except Exception as error:  # noqa: BLE001 - the others are still worth their time
        traceback.print_exc()
        return without(FAILS, f"{type(error).__name__}: {error}")
    finally:
        load.close()
    return dataclasses.asdict(outcome)


def head(about: dict[str, str], load: str, arguments: argparse.Namespace, took_s: float) -> str:
    what = ", ".join(f"{key} {value}" if key != "device" else value for key, value in about.items())
    said = [f"**{what}.** {machine()}; load: {load}; {took_s / 60:.1f} minutes."]
    if arguments.stand_in is not None:
        said.insert(0, "**Not a GPU: the stand-in, to prove the script.**")
    return " ".join(said)


if __name__ == "__main__":
    sys.exit(main())
