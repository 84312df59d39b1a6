"""Limits under all their names, and pad ids that the model does not know."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from llenergymeasure.core.dummy_model import load_dummy_model
from llenergymeasure.core.model_limits import choose_pad, max_positions
from llenergymeasure.core.model_loader import load_model

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("keys", "positions"),
    [
        ({}, None),
        ({"max_position_embeddings": 2048}, 2048),
        ({"max_position_embeddings": 2048.0}, 2048),
        ({"max_position_embeddings": -1}, None),
        ({"max_position_embeddings": 0}, None),
        ({"max_position_embeddings": None}, None),
        ({"max_position_embeddings": True}, None),
        ({"max_position_embeddings": "many"}, None),
        ({"max_position_embeddings": float("inf")}, None),
        ({"max_position_embeddings": 1e30}, None),
        ({"max_position_embeddings": None, "n_positions": 512}, 512),
        ({"max_seq_len": 4096}, 4096),
        ({"seq_length": 1024}, 1024),
        ({"max_sequence_length": 128}, 128),
        ({"text_config": {"max_position_embeddings": 64}}, 64),
        ({"max_position_embeddings": -1, "llm_config": {"n_positions": 32}}, 32),
        ({"text_config": None, "n_positions": 16}, 16),
        ({"model_max_length": 9}, None),
    ],
)
def test_the_limit_of_a_config_file(keys: dict[str, Any], positions: int | None) -> None:
    assert max_positions(keys) == positions


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        (hf.LlamaConfig(max_position_embeddings=77), 77),
        (hf.GPT2Config(n_positions=77), 77),
        (hf.XLNetConfig(), None),
        (hf.BloomConfig(), None),
        (hf.MambaConfig(), None),
        (hf.MptConfig(max_seq_len=77), 77),
        (hf.Gemma3Config(text_config={"max_position_embeddings": 77}), 77),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_limit_of_a_loaded_config(config: Any, positions: int | None) -> None:
    assert max_positions(config) == positions


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


def edit(file: Path, **keys: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


@pytest.mark.parametrize("pad", [-1, 1026, 32000, None])
def test_a_pad_id_beyond_the_embedding_is_no_obstacle(copy: Path, pad: int | None) -> None:
    for name in ("config.json", "generation_config.json"):
        edit(copy / name, pad_token_id=pad)
    for loaded in (load_model(copy, "auto", CPU), load_dummy_model(copy, "float32", CPU, 1)):
        assert loaded.tokenizer.pad_token_id == 0


@pytest.mark.parametrize("pad", ["<far away>", None])
def test_a_tokenizer_pads_with_what_the_model_knows(copy: Path, pad: str | None) -> None:
    """Its own pad token has no row in the embedding, as after ``add_special_tokens`` alone."""
    edit(copy / "tokenizer_config.json", pad_token=pad)
    loaded = load_model(copy, "auto", CPU)
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id == 2
    choose_pad(loaded.tokenizer, 2)
    assert loaded.tokenizer.pad_token_id == 0
