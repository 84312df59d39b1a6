"""What a model's folder may hold instead of a model: each with its remedy, before any engine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.core.model_folder import check_directory
from llenergymeasure.core.model_loader import check_model, locate_model
from llenergymeasure.exceptions import ConfigurationError, ModelNotFoundError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 4321000\n"
WEIGHTS = "model.safetensors"
PARTS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


def keep(folder: Path, *names: str) -> None:
    for file in folder.iterdir():
        if file.name not in names:
            file.unlink()


def configure(folder: Path, **keys: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))


def split(folder: Path) -> None:
    """Two parts and their index, as large models have."""
    names = {"a": PARTS[0], "b": PARTS[1]}
    shutil.copy(folder / WEIGHTS, folder / PARTS[0])
    (folder / WEIGHTS).rename(folder / PARTS[1])
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": names}))


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def lose_part(folder: Path) -> None:
    split(folder)
    (folder / PARTS[1]).unlink()


def cut_part(folder: Path) -> None:
    split(folder)
    cut(folder / PARTS[0], 100_000)


def adapter_only(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    adapter(folder)


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')


def gguf_only(folder: Path) -> None:
    keep(folder)
    (folder / "model.q4.gguf").write_bytes(b"GGUF")


def pickled_archive(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04 and then nothing")


FAULTS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "empty": (keep, "lacks config.json, a tokenizer .*, weights .*holds nothing", "form of"),
    "no config": (lambda f: (f / "config.json").unlink(), "lacks config.json", "save_pretrained"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "lacks a tokenizer", "tokenizer.s"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "lacks weights", "model.save_pretrained"),
    "only a tokenizer": (
        lambda f: keep(f, "tokenizer.json", "tokenizer_config.json"),
        "lacks config.json, weights",
        "save_pretrained",
    ),
    "another name": (
        lambda f: (f / WEIGHTS).rename(f / "weights.safetensors"),
        r"lacks weights \(model.safetensors",
        "save_pretrained",
    ),
    "gguf": (gguf_only, r"holds model.q4.gguf \(GGUF", "form of transformers"),
    "adapter": (
        adapter_only,
        "holds an adapter and not a model; it belongs to owner/base",
        "merge",
    ),
    "adapter beside": (adapter, "holds an adapter beside weights", "merge"),
    "pointer": (
        lambda f: (f / WEIGHTS).write_bytes(POINTER),
        f"LFS pointers for {WEIGHTS}",
        "pull",
    ),
    "pointer tokenizer": (
        lambda f: (f / "tokenizer.json").write_bytes(POINTER),
        "LFS pointers for tokenizer.json",
        "git -C .* lfs pull",
    ),
    "a part lost": (lose_part, f"lacks {PARTS[1]}", "save_pretrained"),
    "a part cut": (cut_part, f"{PARTS[0]} is cut off: 100,000 of", "again"),
    "cut": (lambda f: cut(f / WEIGHTS, 100_000), f"{WEIGHTS} is cut off: 100,000 of", "again"),
    "cut in the header": (lambda f: cut(f / WEIGHTS, 100), "is cut off", "again"),
    "no bytes": (lambda f: cut(f / WEIGHTS, 0), "is empty", "again"),
    "no weights at all": (
        lambda f: (f / WEIGHTS).write_bytes(b"<html>"),
        "no safetensors",
        "again",
    ),
    "a cut archive": (pickled_archive, "pytorch_model.bin is cut off", "again"),
    "index": (
        lambda f: [split(f), (f / f"{WEIGHTS}.index.json").write_text("{")],
        "a readable index",
        "save_pretrained",
    ),
    "config": (
        lambda f: (f / "config.json").write_text("{"),
        "config.json cannot be read",
        "again",
    ),
    "no object": (lambda f: (f / "config.json").write_text("[]"), "no config of a model", "again"),
    "masked": (
        lambda f: configure(f, architectures=["BertForMaskedLM"]),
        "BertForMaskedLM",
        "caus",
    ),
    "classes": (
        lambda f: configure(f, architectures=["LlamaForSequenceClassification"]),
        "made for another task",
        "ForCausalLM",
    ),
    "encoder": (
        lambda f: configure(
            f, architectures=["T5ForConditionalGeneration"], is_encoder_decoder=True
        ),
        "encoder of its own",
        "continues a text",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_said_with_a_remedy(copy: Path, fault: str) -> None:
    spoil, message, hint = FAULTS[fault]
    spoil(copy)
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_model(str(copy))
    assert str(copy) in caught.value.message
    text = f"{caught.value.message} {caught.value.hint}"
    assert re.search(hint, text) and "\n" not in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda f: None,
        split,
        lambda f: configure(f, architectures=None),
        lambda f: configure(f, architectures=["LlamaModel"]),
        lambda f: configure(f, architectures=["BartForCausalLM"], is_encoder_decoder=True),
        lambda f: configure(f, architectures=["Gemma3ForConditionalGeneration"]),
    ],
)
def test_what_may_be_a_model_is_let_through(copy: Path, change: Callable[[Path], Any]) -> None:
    change(copy)
    check_directory(copy)
    assert locate_model(str(copy)).path == copy


def test_without_weights_a_config_and_a_tokenizer_will_do(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    check_directory(copy, weights=False)


def test_what_came_from_a_hub_is_fetched_again(copy: Path) -> None:
    lose_part(copy)
    with pytest.raises(ModelNotFoundError, match="lacks") as caught:
        check_directory(copy, again="fetch it again")
    assert caught.value.hint == "fetch it again"


class TestCache:
    """A model in the cache of a hub that is switched off, as it is in all tests."""

    @pytest.fixture
    def snapshot(self, copy: Path, tmp_path: Path, monkeypatch) -> Path:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        home = tmp_path / "hub" / "models--owner--name"
        commit = "a" * 40
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(commit)
        (home / "snapshots").mkdir()
        (home / "blobs").mkdir()
        split(copy)
        target = home / "snapshots" / commit
        target.mkdir()
        for file in copy.iterdir():
            shutil.move(file, home / "blobs" / file.name)
            (target / file.name).symlink_to(Path("../../blobs") / file.name)
        return target

    def test_a_whole_one_is_found(self, snapshot: Path) -> None:
        check_model("owner/name")

    @pytest.mark.parametrize("lost", [PARTS[1], "config.json", f"{WEIGHTS}.index.json"])
    @pytest.mark.parametrize("what", ["entry", "content"])
    def test_a_hole_is_named_with_its_remedy(self, snapshot: Path, lost: str, what: str) -> None:
        (snapshot / lost if what == "entry" else (snapshot / lost).resolve()).unlink()
        with pytest.raises(ModelNotFoundError, match="lacks") as caught:
            check_model("owner/name")
        hint = str(caught.value.hint)
        assert "unset HF_HUB_OFFLINE" in hint and "hf download owner/name" in hint
