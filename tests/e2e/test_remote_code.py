"""Code that comes with a model runs when it is asked for, and only then."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.core.builtin_model import builtin_model_path

from .conftest import Lem

# What a model's author could do: here, leave a mark.
CODE = """
from pathlib import Path
Path({mark!r}).touch()
from transformers import LlamaConfig, LlamaForCausalLM
class OwnConfig(LlamaConfig):
    model_type = {kind!r}
class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""
CONFIG: dict[str, Any] = {
    "config_name": "own-code",
    "model_name": "./model",
    "device": "cpu",
    "num_prompts": 1,
    "max_output_tokens": 2,
    "warmup": {"prompts": 0},
    "energy": {"backend": "none"},
}


@pytest.fixture
def mark(lem: Lem) -> Path:
    """Is there once the model's code has run."""
    return lem.folder / "ran"


@pytest.fixture(autouse=True)
def _own_module_cache(lem: Lem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(lem.folder / "modules"))


def model(lem: Lem, mark: Path, kind: str) -> Path:
    """A model with code of its own, of a ``model_type`` that transformers knows or not."""
    folder = Path(shutil.copytree(builtin_model_path("tiny-llama"), lem.folder / "model"))
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": kind,
        "architectures": ["OwnForCausalLM"],
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(CODE.format(mark=str(mark), kind=kind))
    return folder


@pytest.mark.parametrize("load_format", ["auto", "dummy"])
def test_it_does_not_run_unless_asked_for(lem: Lem, mark: Path, load_format: str) -> None:
    model(lem, mark, "lem-own")
    done = lem("experiment", lem.write({**CONFIG, "load_format": load_format}))
    assert done.returncode == 2
    assert "needs code of its own, which is not run unless you ask for it" in done.stderr
    assert "trust_remote_code: true" in done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("load_format", ["auto", "dummy"])
def test_asked_for_it_runs_and_the_result_says_so(lem: Lem, mark: Path, load_format: str) -> None:
    model(lem, mark, "lem-own")
    config = {**CONFIG, "load_format": load_format, "trust_remote_code": True}
    result = lem.json("experiment", lem.write(config))
    assert mark.exists()
    assert result["config"]["trust_remote_code"] is True
    assert result["provenance"]["trust_remote_code"]["source"] == "file"
    assert result["model"]["details"]["trust_remote_code"] == "true"
    assert result["model"]["details"]["architecture"] == "OwnForCausalLM"


def test_where_it_is_not_needed_it_is_ignored(lem: Lem, mark: Path) -> None:
    model(lem, mark, "llama")
    result = lem.json("experiment", lem.write(CONFIG))
    assert not mark.exists()
    assert result["config"]["trust_remote_code"] is False
    assert result["model"]["details"]["trust_remote_code"] == "false"
    assert result["model"]["details"]["architecture"] == "LlamaForCausalLM"


def test_a_tokenizer_s_code_does_not_run_either(lem: Lem, mark: Path) -> None:
    folder = model(lem, mark, "llama")
    file = folder / "tokenizer_config.json"
    own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    file.write_text(json.dumps({**json.loads(file.read_text()), **own}))
    lem("experiment", lem.write(CONFIG))
    assert not mark.exists()


class _Evil:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.mark),)


@pytest.mark.parametrize("trusted", [False, True])
def test_pickled_weights_run_no_code(lem: Lem, mark: Path, trusted: bool) -> None:
    folder = Path(shutil.copytree(builtin_model_path("tiny-llama"), lem.folder / "model"))
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Evil(str(mark)), protocol=2))
    done = lem("experiment", lem.write({**CONFIG, "trust_remote_code": trusted}))
    assert done.returncode in (1, 2)
    assert "cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
    assert not mark.exists()
