from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from llenergymeasure.core.builtin_model import builtin_model_path
from llenergymeasure.exceptions import ModelNotFoundError, StorageError

MAKE = """
import random, sys
import numpy, torch
torch.manual_seed(5); random.seed(5); numpy.random.seed(5)
expected = (torch.rand(1).item(), random.random(), numpy.random.rand())
torch.manual_seed(5); random.seed(5); numpy.random.seed(5)
from llenergymeasure.core.builtin_model import builtin_model_path
path = builtin_model_path("builtin:tiny-llama")
assert (torch.rand(1).item(), random.random(), numpy.random.rand()) == expected, "RNG disturbed"
print(path)
"""


def make_in(cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKE],
        env={"XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_two_processes_at_once_make_one_model_and_always_the_same(tmp_path: Path) -> None:
    children = [make_in(tmp_path / "a"), make_in(tmp_path / "a"), make_in(tmp_path / "b")]
    said = [child.communicate(timeout=200) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], said
    assert [err for _, err in said] == ["", "", ""], "nothing is printed on a pipe"
    first, second, other = (Path(out.strip()) for out, _ in said)
    assert first == second == tmp_path / "a/llenergymeasure/models/tiny-llama-v1"
    assert "model.safetensors" in hashes(first)
    assert hashes(first) == hashes(other)
    assert {p.name for p in first.parent.iterdir()} <= {first.name, f".{first.name}.lock"}


def test_its_tokenizer_and_shape(tiny_llama: Path) -> None:
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(tiny_llama)
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    assert config.max_position_embeddings >= 4096
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    text = "Measure twice; Ünïcödé — 集大成 🙂\n\tand so on."
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_it_does_not_end_at_once(tiny_llama: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_llama).eval()
    assert 3_000_000 <= model.num_parameters() <= 4_000_000
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    prompts = ["Once", "How do you bake bread?", "def mean(values):", "The sea was grey."]
    for prompt in prompts:
        output = model.generate(
            **tokenizer(prompt, return_tensors="pt", return_token_type_ids=False),
            do_sample=False,
            max_new_tokens=16,
        )
        assert isinstance(output, torch.Tensor)
        assert tokenizer.eos_token_id not in output[0, -16:].tolist()


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ModelNotFoundError, match="did you mean 'tiny-llama'") as caught:
        builtin_model_path("builtin:tiny-lama")
    assert caught.value.hint == "known: builtin:tiny-llama"


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot make the built-in model") as caught:
        builtin_model_path("tiny-llama")
    assert "XDG_CACHE_HOME" in str(caught.value.hint)


def test_a_failure_half_way_leaves_nothing(tmp_path, monkeypatch) -> None:
    from llenergymeasure.core import builtin_model

    def fail(folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise RuntimeError("the power is gone")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(builtin_model._MAKERS, "tiny-llama", ("v1", fail))
    with pytest.raises(RuntimeError):
        builtin_model_path("tiny-llama")
    models = tmp_path / "llenergymeasure/models"
    assert [p.name for p in models.iterdir() if p.is_dir()] == []
