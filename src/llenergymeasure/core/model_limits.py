"""How long a text a model takes, and which ids it knows: by its config, under whichever name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

# What models call it. No limit is left out, or is none, 0, -1 or a number beyond all bounds.
_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "max_sequence_length",
    "max_seq_length",
    "seq_length",
    "max_target_positions",
)
# Where a model of several parts keeps the config of the one that writes.
_PARTS = ("text_config", "language_config", "llm_config", "decoder")
_BEYOND = 1_000_000_000


def max_positions(config: Any) -> int | None:
    """Tokens of prompt and answer together that a model takes; None where it has no limit.

    Args:
        config: The model's config: an object of transformers, or what ``config.json`` holds.
    """
    for read in _readers(config):
        for name in _LENGTHS:
            length = _as_length(read(name))
            if length is not None:
                return length
    return None


def _readers(config: Any) -> list[Callable[[str], Any]]:
    if isinstance(config, Mapping):
        parts = [config.get(part) for part in _PARTS]
        return [config.get, *(part.get for part in parts if isinstance(part, Mapping))]
    # A part's own numbers come first: what is not the text's may have positions of its own.
    text = config.get_text_config()
    return [lambda name: getattr(text, name, None), lambda name: getattr(config, name, None)]


def _as_length(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return int(value) if 0 < value < _BEYOND else None


def known_ids(model: Any) -> int | None:
    """Ids below this one have a row in the model's embedding; None where it cannot be seen."""
    try:
        return int(model.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError, TypeError, IndexError):
        size = getattr(model.config.get_text_config(), "vocab_size", None)
        return size if isinstance(size, int) and size > 0 else None


def mend_pad_id(config: Any) -> None:
    """Forget a pad id in a model's config that its embedding has no row for.

    Padding is masked out, so any id will do; but with this one the model cannot be built.
    """
    for part in {id(part): part for part in (config, config.get_text_config())}.values():
        size, pad = getattr(part, "vocab_size", None), getattr(part, "pad_token_id", None)
        if isinstance(size, int) and isinstance(pad, int) and not 0 <= pad < size:
            part.pad_token_id = None


def choose_pad(tokenizer: Any, known: int | None) -> None:
    """Let a tokenizer pad with an id that the model knows; which one does not matter."""
    fits = range(known or len(tokenizer))
    if tokenizer.pad_token_id in fits:
        return
    chosen = tokenizer.eos_token_id if tokenizer.eos_token_id in fits else 0
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(chosen)
