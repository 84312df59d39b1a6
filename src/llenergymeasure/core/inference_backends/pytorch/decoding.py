"""Decoding as the config says it, and nothing from the checkpoint but its special tokens.

transformers fills every value that a ``GenerationConfig`` leaves unset from the checkpoint's
``generation_config.json``, and what that leaves unset from its own defaults (``top_k`` is 50
there). So the model's is emptied at load, and here each value with an effect is set.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from llenergymeasure.config.models import DecoderConfig
from llenergymeasure.core.model_loader import LoadedModel
from llenergymeasure.domain.trace import InferenceRequest


def end_of_sequence_ids(loaded: LoadedModel) -> tuple[int, ...]:
    """All ids that end a sequence: the checkpoint's, else the tokenizer's; maybe none."""
    for source in (loaded.model.generation_config, loaded.model.config, loaded.tokenizer):
        ids = getattr(source, "eos_token_id", None)
        if ids is not None:
            return tuple(ids) if isinstance(ids, list | tuple) else (int(ids),)
    return ()


def forget_checkpoint_decoding(loaded: LoadedModel, eos_ids: Collection[int]) -> None:
    """Replace the model's own generation settings by ones that hold special tokens only."""
    from transformers import GenerationConfig

    loaded.model.generation_config = GenerationConfig(
        bos_token_id=loaded.model.generation_config.bos_token_id,
        eos_token_id=sorted(eos_ids) or None,
        pad_token_id=loaded.tokenizer.pad_token_id,
    )


def generation_config(
    decoder: DecoderConfig, request: InferenceRequest, eos_ids: Collection[int], tokenizer: Any
) -> Any:
    """The ``GenerationConfig`` for a batch whose requests have the bounds of ``request``."""
    from transformers import GenerationConfig

    settings: dict[str, Any] = {
        "max_new_tokens": request.max_output_tokens,
        "do_sample": not decoder.greedy,
        "num_beams": 1,
        "use_cache": True,
        "repetition_penalty": decoder.repetition_penalty,
        "eos_token_id": sorted(eos_ids) or None,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if request.min_output_tokens:
        settings["min_new_tokens"] = request.min_output_tokens
    if not decoder.greedy:
        settings |= {
            "temperature": decoder.temperature,
            "top_k": decoder.top_k,
            "top_p": decoder.top_p,
        }
    return GenerationConfig(**settings)
