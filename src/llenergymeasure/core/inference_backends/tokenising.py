"""From prompts to one padded batch, with each prompt's true length and what was cut off it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tokenised:
    """A batch that is ready for the model; the tuples are by prompt.

    Attributes:
        input_ids: Tensor of ids, padded on the left.
        attention_mask: Tensor of the same shape, 0 at padding.
        lengths: Tokens without padding, special tokens included.
        truncated: Tokens that were cut off.
    """

    input_ids: Any
    attention_mask: Any
    lengths: tuple[int, ...]
    truncated: tuple[int, ...]


def tokenise(tokenizer: Any, prompts: Sequence[str], limit: int | None) -> Tokenised:
    """Tokenise, truncate to ``limit`` tokens (None: not at all) and pad on the left."""
    if limit is None:
        return _batch(_encode(tokenizer, prompts), [0] * len(prompts))
    if tokenizer.is_fast:
        return _in_one_pass(tokenizer, prompts, limit)
    whole = _encode(tokenizer, prompts)
    kept = _encode(tokenizer, prompts, truncation=True, max_length=limit)
    cut = [sum(a) - sum(b) for a, b in zip(_masks(whole), _masks(kept), strict=True)]
    return _batch(kept, cut)


def _in_one_pass(tokenizer: Any, prompts: Sequence[str], limit: int) -> Tokenised:
    """Tokenising twice to learn what was cut would show in the throughput of small models."""
    encoded = _encode(
        tokenizer,
        prompts,
        truncation=True,
        max_length=limit,
        return_overflowing_tokens=True,
        return_special_tokens_mask=True,
    )
    firsts: list[int] = []
    cut = [0] * len(prompts)
    # What was cut off a prompt follows it in rows of its own.
    for row, prompt in enumerate(encoded["overflow_to_sample_mapping"]):
        if len(firsts) == prompt:
            firsts.append(row)
        else:
            cut[prompt] += encoded["special_tokens_mask"][row].count(0)
    kept = {key: [encoded[key][row] for row in firsts] for key in ("input_ids", "attention_mask")}
    return _batch(kept, cut)


def _encode(tokenizer: Any, prompts: Sequence[str], **options: Any) -> Any:
    return tokenizer(list(prompts), padding=True, return_token_type_ids=False, **options)


def _masks(encoded: Any) -> list[list[int]]:
    masks: list[list[int]] = encoded["attention_mask"]
    return masks


def _batch(encoded: Any, truncated: Sequence[int]) -> Tokenised:
    import torch

    return Tokenised(
        torch.tensor(encoded["input_ids"], dtype=torch.long),
        torch.tensor(encoded["attention_mask"], dtype=torch.long),
        tuple(map(sum, encoded["attention_mask"])),
        tuple(truncated),
    )
