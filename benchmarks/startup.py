"""What starting costs: `lem` against `codecarbon --help`, in alternating pairs.

    python benchmarks/startup.py [--pairs 15] [--write benchmarks/RESULTS.md]

Each command of ours runs next to one `codecarbon --help`, which of the two first takes turns.
Ratios are taken pair by pair; quote their median, the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from reporting import machine, spread, write_between_marks

TIMEOUT_S = 60
BIN = str(Path(sys.executable).parent)
VALID = "config_name: start\nmodel_name: builtin:tiny-llama\npytorch: {batch_size: 4}\n"
REFUSED = "config_name: start\nmodel_name: ./nowhere\n"


@dataclass(frozen=True)
class Row:
    """A command of ours, how it ends, and how many times `codecarbon --help` it may take."""

    name: str
    arguments: tuple[str, ...]
    exit_code: int
    limit: float | None


ROWS = [
    Row("`lem --help`", ("--help",), 0, 0.7),
    Row("`lem config validate FILE`", ("config", "validate", "valid.yaml"), 0, 1.5),
    Row("`lem experiment FILE`, model missing", ("experiment", "refused.yaml"), 2, None),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--write", type=Path, help="replace the table in this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "valid.yaml").write_text(VALID, encoding="utf-8")
        Path(folder, "refused.yaml").write_text(REFUSED, encoding="utf-8")
        times = {row.name: pairs_of(row, arguments.pairs, Path(folder)) for row in ROWS}
    report = render(times, arguments.pairs)
    print(report)
    if arguments.write:
        write_between_marks(arguments.write, "startup", report)


def pairs_of(row: Row, pairs: int, folder: Path) -> list[tuple[float, float]]:
    """Seconds of ours and of codecarbon's, pair by pair."""
    ours = [found("lem"), *row.arguments]
    theirs = [found("codecarbon"), "--help"]
    # The first run of each reads from the disk what the others find in memory.
    seconds(ours, row.exit_code, folder)
    seconds(theirs, 0, folder)
    times = []
    for number in range(pairs):
        if number % 2:
            theirs_s = seconds(theirs, 0, folder)
            times.append((seconds(ours, row.exit_code, folder), theirs_s))
        else:
            times.append((seconds(ours, row.exit_code, folder), seconds(theirs, 0, folder)))
    return times


def found(command: str) -> str:
    path = shutil.which(command, path=BIN)
    if path is None:
        sys.exit(f"{command} is not installed beside {sys.executable}")
    return path


def seconds(command: list[str], exit_code: int, folder: Path) -> float:
    begin = time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    passed_s = time.monotonic() - begin
    if done.returncode != exit_code:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stderr.decode()}")
    return passed_s


def render(times: dict[str, list[tuple[float, float]]], pairs: int) -> str:
    lines = [
        f"{machine('click', 'codecarbon')}; {pairs} alternating pairs a row. Median (min to max).",
        "",
        "| | seconds | `codecarbon --help`, seconds | ratio | at most | |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        ours, theirs = zip(*times[row.name], strict=True)
        ratios = [a / b for a, b in times[row.name]]
        met = row.limit is None or statistics.median(ratios) <= row.limit
        limit, verdict = ("", "") if row.limit is None else (row.limit, "met" if met else "MISSED")
        lines.append(
            f"| {row.name} | {spread(ours, 2)} | {spread(theirs, 2)} | {spread(ratios, 2)} "
            f"| {limit} | {verdict} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
