"""What measuring costs: `lem experiment` against a bare transformers loop, in alternating pairs.

    python benchmarks/overhead.py [--pairs 7] [--write benchmarks/RESULTS.md]

Both sides use the same model, prompts, batches and token limits, and one BLAS thread. Two
questions: the rate inside the measured window (after a warm-up), and the time of the whole
process (no warm-up; without energy, and with CodeCarbon). Ratios are taken pair by pair; quote
their median, the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from reporting import machine, spread, write_between_marks

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 300
BATCH, MAX_IN = 4, 512


@dataclass(frozen=True)
class Sample:
    """One run of one side."""

    output_tokens_per_s: float
    wall_s: float
    output_tokens: int


@dataclass(frozen=True)
class Workload:
    """What both sides are asked to do."""

    prompts: int
    max_out: int
    warmup: int


THROUGHPUT = Workload(prompts=64, max_out=64, warmup=8)
WHOLE = Workload(prompts=40, max_out=32, warmup=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--write", type=Path, help="replace the table in this file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        rows = bench.rows(arguments.pairs)
    report = render(rows, arguments.pairs)
    print(report)
    if arguments.write:
        write_between_marks(arguments.write, "overhead", report)


class Bench:
    """Runs both sides in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "LLM_ENERGY_RESULTS_DIR": str(folder / "results"),
            "LLM_ENERGY_STATE_DIR": str(folder / "state"),
        }
        self.lem = shutil.which("lem", path=str(Path(sys.executable).parent)) or "lem"
        self.prompts = folder / "prompts.jsonl"
        self._write_prompts()
        # The first run makes the built-in model, and says where it is.
        first = self._run_lem(Workload(prompts=1, max_out=1, warmup=0), "none")[0]
        self.model_dir = first["model"]["path"]

    def rows(self, pairs: int) -> list[tuple[str, list[Sample], list[Sample]]]:
        throughput, whole, carbon = [], [], []
        for number in range(pairs):
            print(f"pair {number + 1} of {pairs}", file=sys.stderr)
            throughput.append((self.measured(THROUGHPUT, "none"), self.bare(THROUGHPUT)))
            bare = self.bare(WHOLE)
            whole.append((self.measured(WHOLE, "none"), bare))
            carbon.append((self.measured(WHOLE, "codecarbon"), bare))
        return [
            ("output tokens/s in the window", *map(list, zip(*throughput, strict=True))),
            ("whole process, energy none", *map(list, zip(*whole, strict=True))),
            ("whole process, energy codecarbon", *map(list, zip(*carbon, strict=True))),
        ]

    def measured(self, work: Workload, energy: str) -> Sample:
        result, wall_s = self._run_lem(work, energy)
        inference = result["metrics"]["inference"]
        return Sample(inference["output_tokens_per_s"], wall_s, inference["output_tokens"])

    def bare(self, work: Workload) -> Sample:
        command = [
            sys.executable,
            str(HERE / "bare_transformers.py"),
            self.model_dir,
            str(self.prompts),
            "prompt",
            *map(str, (work.prompts, BATCH, MAX_IN, work.max_out, work.warmup)),
        ]
        output, wall_s = self._timed(command)
        result = json.loads(output.splitlines()[-1])
        return Sample(result["output_tokens_per_s"], wall_s, result["output_tokens"])

    def _run_lem(self, work: Workload, energy: str) -> tuple[dict, float]:
        config = self.folder / "config.json"
        config.write_text(
            json.dumps(
                {
                    "config_name": "overhead",
                    "model_name": "builtin:tiny-llama",
                    "device": "cpu",
                    "dtype": "float32",
                    "prompts": {"type": "file", "path": str(self.prompts), "column": "prompt"},
                    "num_prompts": work.prompts,
                    "max_input_tokens": MAX_IN,
                    "max_output_tokens": work.max_out,
                    "decoder": {"preset": "deterministic"},
                    "warmup": {"prompts": work.warmup},
                    "baseline": {"enabled": False},
                    "energy": {"backend": energy},
                    "pytorch": {"batch_size": BATCH},
                }
            ),
            encoding="utf-8",
        )
        output, wall_s = self._timed([self.lem, "--json", "experiment", str(config)])
        return json.loads(output), wall_s

    def _timed(self, command: list[str]) -> tuple[str, float]:
        begin = time.monotonic()
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        wall_s = time.monotonic() - begin
        if done.returncode:
            sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout, wall_s

    def _write_prompts(self) -> None:
        words = ["the", "measure", "of", "a", "joule", "is", "where", "it", "was", "read"]
        lines = [
            json.dumps({"prompt": " ".join(words[(i + j) % len(words)] for j in range(8 + i % 40))})
            for i in range(THROUGHPUT.prompts)
        ]
        self.prompts.write_text("\n".join(lines) + "\n", encoding="utf-8")


def render(rows: list[tuple[str, list[Sample], list[Sample]]], pairs: int) -> str:
    lines = [
        f"{machine('torch', 'transformers')}; {pairs} alternating pairs, one BLAS thread, "
        "float32 greedy, built-in tiny Llama. Median (min to max).",
        "",
        "| | `lem experiment` | bare transformers | ratio |",
        "|---|---|---|---|",
    ]
    for name, ours, bare in rows:
        assert all(a.output_tokens == b.output_tokens for a, b in zip(ours, bare, strict=True))
        rate = name.startswith("output")
        field, unit, digits = ("output_tokens_per_s", "", 0) if rate else ("wall_s", " s", 2)
        a = [getattr(sample, field) for sample in ours]
        b = [getattr(sample, field) for sample in bare]
        ratios = [x / y for x, y in zip(a, b, strict=True)]
        lines.append(
            f"| {name}{unit and ',' + unit} | {spread(a, digits)} | {spread(b, digits)} "
            f"| {spread(ratios, 3)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
