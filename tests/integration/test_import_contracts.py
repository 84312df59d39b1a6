"""The layers hold, and a planted import breaks them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command, "import-linter is not installed"
    return subprocess.run(
        [command, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_contracts_are_kept(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("config/models.py", "import torch"),
        ("orchestration/runner.py", "import transformers"),
        ("config/loader.py", "import llenergymeasure.core.prompts"),
        ("domain/metrics.py", "from llenergymeasure.config import models"),
        ("results/repository.py", "import llenergymeasure.state.experiment_state"),
        ("core/window.py", "from llenergymeasure.orchestration import runner"),
        ("durable.py", "import llenergymeasure.domain.base"),
        ("results/exporters.py", "import pyarrow.parquet as pq"),
        ("cli/export.py", "from pyarrow import csv"),
        ("core/dataset_loader.py", "import pyarrow.dataset"),
        ("durable.py", "import pyarrow"),
    ],
)
def test_a_planted_import_breaks_them(copy: Path, file: str, planted: str) -> None:
    path = copy / "src" / "llenergymeasure" / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{planted}\n", encoding="utf-8")
    done = lint(copy)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout
