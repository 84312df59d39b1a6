"""Count how commands that read results end, many times over, on a machine that is kept busy.

    python benchmarks/count_exit_codes.py [--lem PATH] [--runs 300] [--at-most-s 360] [NAME ...]

A native library that takes its threads apart while they start can end a process after its answer
was given; that is a matter of chance, so it has to be counted. One experiment is measured first;
then every command runs with two busy loops beside it: 300 of each in about an hour on two cores.
Exits with 1 if a command ended badly.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CONFIG = {
    "config_name": "counted",
    "model_name": "echo",
    "backend": "echo",
    "echo": {"per_token_s": 0.002},
    "num_prompts": 2,
    "max_output_tokens": 8,
    "num_cycles": 2,
    "warmup": {"prompts": 0},
    "energy": {"backend": "replay", "replay": {"curve": {"shape": "constant", "power_w": 100}}},
    "timeseries": {"sample_interval_ms": 50},
}
ROWS = [{"text": f"prompt {number}"} for number in range(8)]
COMMANDS = {
    "timeseries": "--json results timeseries latest",
    "timeseries-csv": "--quiet results timeseries latest --format csv",
    "timeseries-png": "--quiet --yes results timeseries latest -o out.png",
    "show": "results show latest",
    "list": "results list --all",
    "prune": "--yes results prune",
    "export-csv": "results export --format csv",
    "export-raw": "results export --raw --format csv",
    "export-json": "results export --format json",
    "export-parquet": "--quiet --yes results export -o out.parquet",
    "aggregate": "--quiet --yes --json aggregate latest",
    "dry-run": "--quiet experiment dataset.json --dry-run",
}
BUSY = "while True: pass"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(COMMANDS)}; default all")
    parser.add_argument("--lem", default=shutil.which("lem", path=str(Path(sys.executable).parent)))
    parser.add_argument("--runs", type=int, default=300, help="of each command")
    parser.add_argument("--at-most-s", type=float, default=7200, help="for all together")
    parser.add_argument("--busy", type=int, default=2, help="loops beside it")
    chosen = parser.parse_args()
    names = chosen.names or list(COMMANDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, chosen.lem)
        loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(chosen.busy)]
        try:
            counted = count(folder, chosen.lem, names, chosen.runs, chosen.at_most_s)
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
    bad = 0
    for one in names:
        total = sum(counted[one].values())
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(counted[one].items()))
        print(f"{one:<16} {total:>5} runs, exit codes {codes}")
        bad += total - counted[one][0]
    return 1 if bad else 0


def prepare(folder: Path, lem: str) -> None:
    rows = "".join(json.dumps(row) + "\n" for row in ROWS)
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    prompts = {"type": "huggingface", "dataset": "./rows.jsonl", "column": "text"}
    dataset = {**CONFIG, "prompts": prompts}
    for name, config in {"config": CONFIG, "dataset": dataset}.items():
        (folder / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
    subprocess.run([lem, "--quiet", "experiment", "config.json"], cwd=folder, check=True)


def count(
    folder: Path, lem: str, names: list[str], runs: int, at_most_s: float
) -> dict[str, Counter[int]]:
    """Exit codes of each command; in turns, so that all meet the same machine."""
    counted: dict[str, Counter[int]] = {name: Counter() for name in names}
    end = time.monotonic() + at_most_s
    for _ in range(runs):
        for name in names:
            done = subprocess.run(
                [lem, *COMMANDS[name].split()], cwd=folder, capture_output=True, timeout=300
            )
            counted[name][done.returncode] += 1
            if done.returncode and counted[name][done.returncode] == 1:
                sys.stderr.write(f"{name}: {done.stderr.decode(errors='replace')[-400:]}\n")
        if time.monotonic() > end:
            break
    return counted


if __name__ == "__main__":
    sys.exit(main())
