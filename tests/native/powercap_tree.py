"""Fake powercap trees: folders in the kernel's form, and a process that advances their counters.

python powercap_tree.py ROOT    reads plans from stdin, a JSON object a line, and answers each
                                {"steps": [{"intel-rapl:0": 5000}, ...], "pause_s": 0.01}

A counter is its energy modulo its range, as the hardware's is. Between two plans the tree stands
still, so what a reader sees there is exact.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

RANGE_UJ = 65_532_610_987


def write_tree(root: Path, zones: Mapping[str, Mapping[str, object]]) -> Path:
    """Make a tree; each zone has a ``name``, and may have ``energy_uj`` and ``range_uj``.

    A zone within another (``intel-rapl:0:1``) is also reached through it, as in the kernel's tree.
    """
    root.mkdir(parents=True, exist_ok=True)
    for folder, zone in zones.items():
        control, *numbers = folder.split(":")
        inner = root / "devices" / control
        for depth in range(1, len(numbers) + 1):
            inner = inner / ":".join([control, *numbers[:depth]])
        inner.mkdir(parents=True)
        put(inner / "name", zone["name"])
        put(inner / "energy_uj", zone.get("energy_uj", 0))
        if "range_uj" in zone:
            put(inner / "max_energy_range_uj", zone["range_uj"])
        (root / folder).symlink_to(inner.relative_to(root))
        with contextlib.suppress(FileExistsError):
            (root / control).symlink_to(Path("devices") / control)
    return root


def put(file: Path, value: object) -> None:
    """Write a file as a whole: the kernel's are never half written."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{value}\n", encoding="ascii")
    os.replace(fresh, file)


def advance(root: Path, folder: str, by_uj: int) -> None:
    """Let a counter count."""
    zone = root / folder
    range_file = zone / "max_energy_range_uj"
    range_uj = int(range_file.read_text()) if range_file.exists() else RANGE_UJ
    energy_uj = int((zone / "energy_uj").read_text())
    put(zone / "energy_uj", (energy_uj + by_uj) % range_uj)


def run_plan(root: Path, steps: Sequence[Mapping[str, int]], pause_s: float) -> None:
    """Advance the counters step by step."""
    for step in steps:
        for folder, by_uj in step.items():
            advance(root, folder, by_uj)
        time.sleep(pause_s)


class Advancer:
    """The process that advances a tree."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, steps: Sequence[Mapping[str, int]], pause_s: float = 0.01) -> None:
        """Begin a plan."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"steps": list(steps), "pause_s": pause_s}) + "\n")
        self._process.stdin.flush()

    def join(self) -> None:
        """Wait until the plan is done and the tree stands still."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n"

    def run(self, steps: Sequence[Mapping[str, int]], pause_s: float = 0.01) -> None:
        self.start(steps, pause_s)
        self.join()

    def close(self) -> None:
        self._process.communicate(timeout=180)


@contextlib.contextmanager
def advancing(root: Path) -> Iterator[Advancer]:
    """An advancer of ``root``, ended with the block."""
    advancer = Advancer(root)
    try:
        yield advancer
    finally:
        advancer.close()


def main() -> None:
    root = Path(sys.argv[1])
    for line in sys.stdin:
        plan = json.loads(line)
        run_plan(root, plan["steps"], plan["pause_s"])
        print("done", flush=True)


if __name__ == "__main__":
    main()
