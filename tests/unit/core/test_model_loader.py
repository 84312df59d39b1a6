from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from llenergymeasure.core.model_loader import (
    check_model,
    is_local,
    load_model,
    locate_model,
)
from llenergymeasure.exceptions import (
    ConfigurationError,
    HubUnreachableError,
    ModelNotFoundError,
)


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["/m", "./m", "../m", "~/m", ".", "..", "~someone/m"])
def test_what_looks_like_a_path_is_one(name: str) -> None:
    assert is_local(name)


def test_a_bare_name_is_a_path_only_if_it_is_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_local("owner/name")
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert is_local("owner/name")


def test_a_directory_is_found_from_here_and_from_home(copy: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(copy.parent))
    monkeypatch.chdir(copy.parent)
    for name in (str(copy), "./copy", "copy", "~/copy"):
        located = locate_model(name)
        assert (located.path, located.revision) == (copy, None)


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="does not exist"):
        locate_model(str(tmp_path / "no"))
    (tmp_path / "file").touch()
    with pytest.raises(ModelNotFoundError, match="is not a directory"):
        locate_model(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("config.json", "lacks config.json"),
        ("tokenizer.json", "lacks a tokenizer"),
        ("model.safetensors", "lacks weights"),
    ],
)
def test_what_a_directory_lacks_is_named(copy: Path, file: str, named: str) -> None:
    (copy / file).unlink()
    with pytest.raises(ModelNotFoundError, match=named):
        locate_model(str(copy))


def test_a_revision_needs_the_hub(copy: Path) -> None:
    for name in (str(copy), "builtin:tiny-llama"):
        with pytest.raises(ConfigurationError, match="not a model of the hub"):
            locate_model(name, "main")


def cpu():
    import torch

    return torch.device("cpu")


def test_dtype_auto_is_the_checkpoints_own(copy: Path) -> None:
    import torch

    load_model(copy, "bfloat16", cpu()).model.save_pretrained(copy)
    assert load_model(copy, "auto", cpu()).model.dtype == torch.bfloat16
    assert load_model(copy, "float32", cpu()).model.dtype == torch.float32


def test_padding_falls_back_to_eos(copy: Path) -> None:
    config = json.loads((copy / "tokenizer_config.json").read_text())
    del config["pad_token"]
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = load_model(copy, "auto", cpu()).tokenizer
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 2
    assert tokenizer.padding_side == "left"


def test_an_unknown_architecture_is_a_clear_error(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "nothing_known"}))
    with pytest.raises(ConfigurationError, match="not a causal language model"):
        load_model(copy, "auto", cpu())


def test_a_model_that_is_no_language_model_is_a_clear_error(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ConfigurationError, match="not a causal language model"):
        load_model(copy, "auto", cpu())


def test_code_of_a_model_is_never_run(copy: Path, tmp_path: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (copy / "config.json").write_text(
        json.dumps({**config, "model_type": "own_type", "auto_map": own})
    )
    witness = tmp_path / "witness"
    (copy / "own.py").write_text(f"open({str(witness)!r}, 'w')")
    with pytest.raises(ConfigurationError, match="code of its own"):
        load_model(copy, "auto", cpu())
    assert not witness.exists()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("builtin:tiny-lama", ModelNotFoundError),
        ("./nowhere", ModelNotFoundError),
        ("/" + "x" * 5000, ModelNotFoundError),
        ("./a\0b", ModelNotFoundError),
        ("owner/name", HubUnreachableError),
        ("x" * 5000, ModelNotFoundError),
        ("a\0b", ModelNotFoundError),
    ],
)
def test_what_can_be_refused_at_once_is(name: str, error: type[Exception], tmp_path: Path) -> None:
    # The hub is off in all tests.
    with pytest.raises(error):
        check_model(name)


def test_what_may_be_there_is_not_refused(copy: Path) -> None:
    check_model("builtin:tiny-llama")
    check_model(str(copy))
    (copy / "model.safetensors").unlink()
    check_model(str(copy), weights=False)
