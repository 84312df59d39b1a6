"""What a command imports is what it costs: held by name, not by a stopwatch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ENGINES = {"torch", "transformers", "tokenizers", "codecarbon", "pandas", "scipy", "numpy"}
FOR_HELP = ENGINES | {"pydantic", "rich", "ruamel", "pyarrow", "psutil", "importlib.metadata"}
FOR_VALIDATE = ENGINES | {"rich", "pyarrow", "psutil", "huggingface_hub"}

CODE = """
import contextlib, io, json, sys
from llenergymeasure.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def imported(*args: str, ends_with: int = 0) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *args], capture_output=True, text=True, timeout=180, check=True
    )
    code, modules = json.loads(done.stdout)
    assert code == ends_with, done.stderr
    return set(modules)


@pytest.mark.parametrize("args", [["--help"], ["results", "--help"], ["config", "--help"]])
def test_help_imports_nothing_heavy_and_no_command(args: list[str]) -> None:
    modules = imported(*args)
    assert not modules & FOR_HELP
    called = {f"llenergymeasure.cli.{args[0]}"}
    commands = {"experiment", "aggregate", "results", "config", "backends", "doctor"}
    assert not modules & ({f"llenergymeasure.cli.{name}" for name in commands} - called)


def test_validate_imports_no_engine_and_no_display(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    data = {"config_name": "c", "model_name": "builtin:tiny-llama", "pytorch": {"batch_size": 2}}
    file.write_text(json.dumps(data))
    assert not imported("config", "validate", str(file)) & FOR_VALIDATE


def test_listing_imports_no_engine() -> None:
    assert not imported("results", "list") & {"torch", "transformers", "codecarbon", "scipy"}
    # Energy sources are tried, so what they need may be imported.
    assert not imported("backends") & {"torch", "transformers"}


def test_refusing_an_experiment_imports_no_engine(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"config_name": "c", "model_name": "./nowhere"}))
    heavy = ENGINES | {"datasets", "pyarrow", "rich", "huggingface_hub"}
    assert not imported("experiment", str(file), ends_with=2) & heavy


def test_python_m_is_lem() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llenergymeasure", "--version"],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("lem ")


def test_a_dry_run_counts_tokens_without_an_engine(tmp_path: Path) -> None:
    """The folder holds a tokenizer, a config and weights of no size: all that is looked at."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    model = tmp_path / "model"
    model.mkdir()
    raw = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.save(str(model / "tokenizer.json"))
    (model / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 900}')
    (model / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (tmp_path / "p.txt").write_text("a " * 700 + "\na\n")
    data = {"config_name": "c", "model_name": str(model), "energy": {"backend": "none"}}
    prompts = {"type": "file", "path": str(tmp_path / "p.txt")}
    (tmp_path / "c.json").write_text(json.dumps({**data, "prompts": prompts}))
    heavy = {"torch", "transformers", "datasets", "scipy", "codecarbon"}
    assert not imported("experiment", str(tmp_path / "c.json"), "--dry-run") & heavy
