"""Models that answer in a batch as they do alone, and models that do not, found by answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from llenergymeasure.core.inference_backends.pytorch.batch_effect import find_batch_effect
from llenergymeasure.core.model_loader import LoadedModel, load_tokenizer
from llenergymeasure.domain.model_info import BatchEffect

VOCABULARY = 1026
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LLAMA = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
GPT = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}
WIDE = {"d_model": 64, "decoder_layers": 2, "decoder_ffn_dim": 96, "decoder_attention_heads": 4}
# Small random weights repeat the last token, whatever the logits of the others.
LIVELY = {"init_std": 0.5}
OPT = {"ffn_dim": 96, "word_embed_proj_dim": 64, "num_attention_heads": 4}
MIXED = {"layer_types": ["conv", "full_attention"]}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
RECURRENT = {"head_dim": 16, "n_groups": 1, "num_heads": 8, "state_size": 8, "expand": 2}
STATE = {"state_size": 8, "time_step_rank": 8, "hidden_size": 64, "num_hidden_layers": 2}
SOUND: dict[str, Callable[[], Any]] = {
    "llama": lambda: hf.LlamaConfig(**LLAMA, **HEADS),
    "gemma2": lambda: hf.Gemma2Config(**LLAMA, **HEADS, head_dim=16),
    "mixtral": lambda: hf.MixtralConfig(**LLAMA, **HEADS, **EXPERTS),
    "gpt2": lambda: hf.GPT2Config(**GPT),
    "openai-gpt": lambda: hf.OpenAIGPTConfig(**GPT),
    "opt": lambda: hf.OPTConfig(hidden_size=64, num_hidden_layers=2, **OPT),
    "bloom": lambda: hf.BloomConfig(hidden_size=64, n_layer=2, n_head=4),
    "mpt": lambda: hf.MptConfig(d_model=64, n_heads=4, n_layers=2),
    "roberta": lambda: hf.RobertaConfig(**LLAMA, num_attention_heads=4, is_decoder=True),
    "mamba": lambda: hf.MambaConfig(**STATE),
    "mamba2": lambda: hf.Mamba2Config(hidden_size=64, num_hidden_layers=2, **RECURRENT),
    "lfm2": lambda: hf.Lfm2Config(**LLAMA, **HEADS, **MIXED),
}
CHANGED: dict[str, tuple[Callable[[], Any], BatchEffect]] = {
    "rwkv": (
        lambda: hf.RwkvConfig(hidden_size=64, attention_hidden_size=64, num_hidden_layers=2),
        BatchEffect.ANY_BATCH,
    ),
    "bart": (lambda: hf.BartConfig(**WIDE, **LIVELY, is_decoder=True), BatchEffect.PADDING),
    "pegasus": (lambda: hf.PegasusConfig(**WIDE, **LIVELY, is_decoder=True), BatchEffect.PADDING),
    "xlnet": (
        lambda: hf.XLNetConfig(d_model=64, n_layer=2, n_head=4, initializer_range=0.5),
        BatchEffect.PADDING,
    ),
}


@pytest.fixture(scope="module")
def tokenizer(tiny_llama: Path) -> Any:
    return load_tokenizer(tiny_llama)


def make(tokenizer: Any, config: Any, dtype: torch.dtype = torch.float32) -> LoadedModel:
    config.vocab_size = VOCABULARY
    for key, value in IDS.items():
        setattr(config, key, value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = hf.AutoModelForCausalLM.from_config(config, dtype=dtype)
    return LoadedModel(model.eval(), tokenizer)


def greedy(loaded: LoadedModel, rows: list[list[int]]) -> list[list[int]]:
    """The next tokens of each row, written without any code of ours."""
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    settings = {"do_sample": False, "max_new_tokens": 8, "min_new_tokens": 8}
    output = loaded.model.generate(input_ids=ids, attention_mask=mask, **settings)
    return output[:, width:].tolist()


ROWS = [[7, 300, 41, 900], [12, 500] * 9, [33], [800, 801, 802] * 4]


def batches_change(loaded: LoadedModel) -> bool:
    return greedy(loaded, ROWS) != [greedy(loaded, [row])[0] for row in ROWS]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_model_is_not_accused(tokenizer, name: str) -> None:
    loaded = make(tokenizer, SOUND[name]())
    assert not batches_change(loaded)
    assert find_batch_effect(loaded, [2], 256) is BatchEffect.NONE


@pytest.mark.parametrize("name", CHANGED)
def test_a_model_that_a_batch_changes_is_found(tokenizer, name: str) -> None:
    make_config, effect = CHANGED[name]
    loaded = make(tokenizer, make_config())
    assert batches_change(loaded)
    assert find_batch_effect(loaded, [2], 256) is effect


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_hides_neither(tokenizer, dtype: torch.dtype) -> None:
    for name, effect in (("llama", BatchEffect.NONE), ("mixtral", BatchEffect.NONE)):
        assert find_batch_effect(make(tokenizer, SOUND[name](), dtype), [2], 256) is effect
    for name in ("rwkv", "bart"):
        make_config, effect = CHANGED[name]
        assert find_batch_effect(make(tokenizer, make_config(), dtype), [2], 256) is effect


class Noisy:
    """A sound model whose kernels round as coarsely as ``share`` of the logits' spread."""

    def __init__(self, inner: Any, share: float) -> None:
        self.inner, self.share = inner, share
        self.random = torch.Generator().manual_seed(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def generate(self, **kwargs: Any) -> Any:
        output = self.inner.generate(**kwargs)
        output.logits = tuple(
            step + self.share * step.std() * torch.randn(step.shape, generator=self.random)
            for step in output.logits
        )
        return output


def test_coarse_rounding_is_no_leak_and_hides_none(tokenizer) -> None:
    sound = make(tokenizer, SOUND["llama"]())
    assert find_batch_effect(LoadedModel(Noisy(sound.model, 1e-3), tokenizer), [2], 256) is (
        BatchEffect.NONE
    )
    leaking = make(tokenizer, CHANGED["bart"][0]())
    assert find_batch_effect(LoadedModel(Noisy(leaking.model, 1e-3), tokenizer), [2], 256) is (
        BatchEffect.PADDING
    )


def test_what_cannot_be_compared_is_unknown(tokenizer) -> None:
    loaded = make(tokenizer, SOUND["llama"]())
    assert find_batch_effect(loaded, [2], 4) is BatchEffect.UNKNOWN
    loaded.model.lm_head.weight.data.fill_(float("nan"))
    assert find_batch_effect(loaded, [2], 256) is BatchEffect.UNKNOWN


def test_a_model_that_only_a_batch_drives_to_nan_is_found(tokenizer) -> None:
    class BreaksInBatches(Noisy):
        def generate(self, **kwargs: Any) -> Any:
            output = self.inner.generate(**kwargs)
            if not kwargs["attention_mask"].all():
                output.logits = tuple(step * float("nan") for step in output.logits)
            return output

    broken = BreaksInBatches(make(tokenizer, SOUND["llama"]()).model, 0.0)
    assert find_batch_effect(LoadedModel(broken, tokenizer), [2], 256) is BatchEffect.PADDING
