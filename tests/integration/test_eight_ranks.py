"""Eight real measuring processes on one host: the machine counts once, each GPU once."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.config.loader import from_mapping
from llenergymeasure.config.resolve import LoadedConfig
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, MeasurementWindow
from llenergymeasure.orchestration.aggregate import aggregate_experiment
from llenergymeasure.orchestration.context import ExperimentContext, config_hash
from llenergymeasure.orchestration.planning import RunOptions, plan
from llenergymeasure.results.repository import FileSystemRepository

NATIVE = Path(__file__).parents[1] / "native"
RANKS = 8
STEP_UJ = 1_000_000
RIPPLE_W = 0.5
POWERS_W = [100 + 25 * rank for rank in range(RANKS)]


def native(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"{name}_of_ranks", NATIVE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


stand_in, powercap_tree = native("stand_in"), native("powercap_tree")


@contextmanager
def advancing(root: Path) -> Iterator[list[tuple[int, int]]]:
    """Advance the package until the block ends; gives each step's time before and after it."""
    steps: list[tuple[int, int]] = []
    end = threading.Event()

    def advance() -> None:
        while not end.wait(0.02):
            before_ns = time.monotonic_ns()
            powercap_tree.advance(root, "intel-rapl:0", STEP_UJ)
            steps.append((before_ns, time.monotonic_ns()))

    thread = threading.Thread(target=advance)
    thread.start()
    try:
        yield steps
    finally:
        end.set()
        thread.join()


def context_of(loaded: LoadedConfig, results: Path) -> ExperimentContext:
    planned = plan(loaded, RunOptions(results_dir=results, state_dir=results / ".state"))
    context = ExperimentContext(
        experiment_id="20300101-120000-000000-abcd",
        attempt=1,
        config=loaded.config.model_dump(mode="json"),
        config_hash=config_hash(loaded.config),
        provenance={},
        prompts=planned.prompts,
        results_dir=str(results),
        cycles=(1,),
        planned_cycles=1,
        created_at=datetime.now(UTC),
        parent_pid=os.getpid(),
    )
    (context.run_dir / "logs").mkdir(parents=True)
    context.save()
    return context


def launched(context: ExperimentContext, env: Mapping[str, str]) -> list[subprocess.Popen[str]]:
    """The ranks, as torchrun would start them, each with a GPU of its own."""
    own = [
        {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(RANKS),
            "CUDA_VISIBLE_DEVICES": str(rank),
        }
        for rank in range(RANKS)
    ]
    command = [sys.executable, "-m", "llenergymeasure.orchestration.launcher", str(context.path)]
    return [
        subprocess.Popen(
            command,
            env={**env, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for more in own
    ]


def counted_uj(steps: list[tuple[int, int]], window: MeasurementWindow) -> tuple[int, int]:
    """What the package drew within a window, at least and at most: a step takes a moment."""
    start_ns, end_ns = window.start_monotonic_ns, window.end_monotonic_ns
    surely = sum(before >= start_ns and after <= end_ns for before, after in steps)
    possibly = sum(after >= start_ns and before <= end_ns for before, after in steps)
    return surely * STEP_UJ, possibly * STEP_UJ


def open_j(gpu: DomainReading) -> float:
    """How far its joules may be off: the interval without the sensor's gain, and the ripple."""
    assert gpu.uncertainty is not None and gpu.window is not None
    edge_j, sampling_j = gpu.uncertainty.edge_j or 0.0, gpu.uncertainty.sampling_j or 0.0
    return edge_j + sampling_j + RIPPLE_W * gpu.window.duration_s


@pytest.fixture
def root(tmp_path: Path) -> Path:
    zones = {"intel-rapl:0": {"name": "package-0", "energy_uj": 5, "range_uj": 65_532_610_987}}
    made: Path = powercap_tree.write_tree(tmp_path / "powercap", zones)
    return made


def test_the_machine_counts_once_and_each_gpu_once(tmp_path: Path, root: Path) -> None:
    loaded = from_mapping(
        {
            "config_name": "ranks",
            "model_name": "scripted",
            "backend": "echo",
            "num_prompts": 1,
            "echo": {"prefill_s": 2.5},
            "warmup": {"prompts": 0},
            "baseline": {"enabled": False},
            "energy": {"backend": "auto", "rapl": {"root": str(root)}},
        }
    )
    context = context_of(loaded, tmp_path / "results")
    gpus = ";".join(f"high={watts},ripple={RIPPLE_W}" for watts in POWERS_W)
    env = stand_in.environment(stand_in.build(tmp_path), gpus)
    with advancing(root) as steps:
        ranks = launched(context, env)
        outputs = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * RANKS, outputs

    repository = FileSystemRepository(Path(context.results_dir))
    raws = sorted(repository.load_raw(context.experiment_id), key=lambda raw: raw.process_index)
    assert [raw.process_count for raw in raws] == [RANKS] * RANKS
    for rank, raw in enumerate(raws):
        machine = {"cpu:0", "ram"} if rank == 0 else set()
        assert {domain.name for domain in raw.energy.domains} == {f"gpu:{rank}", *machine}
        (gpu,) = [domain for domain in raw.energy.domains if domain.name == f"gpu:{rank}"]
        assert gpu.window is not None
        # Eight processes on few cores watch their edges less sharply: the interval says how much.
        drawn_j = POWERS_W[rank] * gpu.window.duration_s
        assert gpu.joules == pytest.approx(drawn_j, abs=open_j(gpu))

    energy = aggregate_experiment(context, repository).metrics.energy
    by_name = {domain.name: domain for domain in energy.domains}
    assert len(energy.domains) == len(by_name) == RANKS + 2
    (cpu,) = [domain for domain in raws[0].energy.domains if domain.name == "cpu:0"]
    assert cpu.window is not None and cpu.joules is not None
    least_uj, most_uj = counted_uj(steps, cpu.window)
    assert least_uj > 50 * STEP_UJ
    assert least_uj / 1e6 <= cpu.joules <= most_uj / 1e6
    if by_name["cpu:0"].joules is None:
        # Rank 0 reads the machine; on a busy one it may be done long before the others.
        assert "8 processes worked there" in (by_name["cpu:0"].reason or "")
        assert energy.total_j is None
        return
    assert by_name["cpu:0"].joules == cpu.joules
    gpus_j = sum(
        watts * by_name[f"gpu:{rank}"].window.duration_s  # type: ignore[union-attr]
        for rank, watts in enumerate(POWERS_W)
    )
    gpus_open_j = sum(open_j(by_name[f"gpu:{rank}"]) for rank in range(RANKS))
    assert energy.total_j == pytest.approx(gpus_j + cpu.joules, abs=gpus_open_j)
    assert by_name["ram"].method is EnergyMethod.ESTIMATED
    assert energy.estimated_j == by_name["ram"].joules
