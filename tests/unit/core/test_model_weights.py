"""A checkpoint that does not fit its config is refused, or flagged where transformers allows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from llenergymeasure.core.model_loader import load_model
from llenergymeasure.exceptions import ModelNotFoundError

CPU = torch.device("cpu")


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


def configure(folder: Path, **keys: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | keys))


def change_weights(folder: Path, change: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"num_hidden_layers": 5}, r"lacks fitting weights for model\.layers\.4\..* and \d more"),
        ({"attention_bias": True}, r"lacks fitting weights for .*k_proj\.bias"),
        (
            {"intermediate_size": 512},
            "down_proj.weight is 256 x 688, and the config wants 256 x 512",
        ),
        ({"vocab_size": 2000}, "lm_head.weight is 1026 x 256, and the config wants 2000 x 256"),
        ({"num_key_value_heads": 2}, "k_proj.weight is 128 x 256, and the config wants 64 x 256"),
        ({"model_type": "qwen2"}, r"lacks fitting weights for .*\.bias"),
        ({"model_type": "opt"}, "it has model.* instead, for which OPTFor"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_config_that_wants_other_weights_is_refused(copy: Path, keys, words: str) -> None:
    configure(copy, **keys)
    with pytest.raises(ModelNotFoundError, match=words) as caught:
        load_model(copy, "auto", CPU)
    assert "config" in str(caught.value.hint) and "\n" not in caught.value.message


def test_weights_that_are_missing_are_not_made_up(copy: Path) -> None:
    change_weights(copy, lambda weights: weights.pop("model.layers.2.mlp.up_proj.weight"))
    with pytest.raises(ModelNotFoundError, match=r"lacks fitting weights.*layers\.2\.mlp\.up_proj"):
        load_model(copy, "auto", CPU)


@pytest.mark.parametrize(
    ("keys", "added", "unused"),
    [
        ({}, [], 0),
        ({"num_hidden_layers": 1}, [], 27),
        ({}, ["score.weight", "vision_tower.weight"], 2),
        # Tied weights, and constants that older versions saved along, are transformers' own design.
        ({"tie_word_embeddings": True}, [], 0),
        ({}, ["model.layers.0.self_attn.rotary_emb.inv_freq"], 0),
        ({}, ["transformer.h.0.attn.masked_bias", "model.embeddings.position_ids"], 0),
    ],
)
def test_weights_without_a_place_are_counted(copy: Path, keys, added, unused: int) -> None:
    configure(copy, **keys)
    change_weights(copy, lambda w: w.update({name: torch.ones(4) for name in added}))
    assert len(load_model(copy, "auto", CPU).unused_weights) == unused


def test_a_tied_head_need_not_be_saved(copy: Path) -> None:
    configure(copy, tie_word_embeddings=True)
    change_weights(copy, lambda weights: weights.pop("lm_head.weight"))
    loaded = load_model(copy, "auto", CPU)
    assert loaded.unused_weights == ()
    assert torch.equal(loaded.model.lm_head.weight, loaded.model.model.embed_tokens.weight)
