"""From prompts to one padded batch, with each prompt's true length and what was cut off it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llenergymeasure.domain.model_info import NO_CHAT_TEMPLATE
from llenergymeasure.domain.prompt import ChatMessage
from llenergymeasure.domain.trace import InferenceRequest


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


def prompt_texts(
    tokenizer: Any, requests: Sequence[InferenceRequest]
) -> tuple[list[str], list[str | None]]:
    """The text of each request, a chat in the model's template; and why there is none, if so."""
    texts: list[str] = []
    refusals: list[str | None] = []
    for request in requests:
        text, refusal = request.prompt, None
        if request.messages is not None:
            try:
                text = _render(tokenizer, request.messages)
            except Exception as error:  # noqa: BLE001 - a template is a program of its own
                refusal = f"the chat template does not take this chat: {_first_line(error)}"
        texts.append(text)
        refusals.append(refusal)
    return texts, refusals


def _render(tokenizer: Any, messages: Sequence[ChatMessage]) -> str:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def chat_template_digest(tokenizer: Any) -> str:
    """16 hex digits that name the tokenizer's chat template; or ``NO_CHAT_TEMPLATE``."""
    template = tokenizer.chat_template
    if not template:
        return NO_CHAT_TEMPLATE
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]


def tokenise_requests(
    tokenizer: Any, requests: Sequence[InferenceRequest], texts: Sequence[str]
) -> Tokenised:
    """Tokenise the texts of requests that are alike: see ``static_batches``."""
    first = requests[0]
    if first.exact_input_tokens is not None:
        return _exactly(tokenizer, texts, [request.exact_input_tokens or 0 for request in requests])
    # A chat template writes the special tokens itself.
    options = {} if first.messages is None else {"add_special_tokens": False}
    return tokenise(tokenizer, texts, first.max_input_tokens, **options)


def _exactly(tokenizer: Any, texts: Sequence[str], counts: Sequence[int]) -> Tokenised:
    rows = [_exact_ids(tokenizer, text, n) for text, n in zip(texts, counts, strict=True)]
    width = max(len(row) for row in rows)
    padding = [[tokenizer.pad_token_id] * (width - len(row)) for row in rows]
    encoded = {
        "input_ids": [[*pad, *row] for pad, row in zip(padding, rows, strict=True)],
        "attention_mask": [[0] * len(p) + [1] * len(r) for p, r in zip(padding, rows, strict=True)],
    }
    return _batch(encoded, [0] * len(rows))


def _exact_ids(tokenizer: Any, text: str, count: int) -> list[int]:
    """The text's ids, cut or repeated to ``count`` with special tokens among them."""
    while True:
        ids: list[int] = tokenizer(text, truncation=True, max_length=count)["input_ids"]
        # A tokenizer may take several words as one token. Short of text, there is nothing to do.
        if len(ids) >= count or not text or len(text) > 64 * count + 1024:
            return ids
        text = f"{text} {text}"


def tokenise(
    tokenizer: Any, prompts: Sequence[str], limit: int | None, **options: Any
) -> Tokenised:
    """Tokenise, truncate to ``limit`` tokens (None: not at all) and pad on the left.

    ``options`` are passed on to the tokenizer.
    """
    if limit is None:
        return _batch(_encode(tokenizer, prompts, **options), [0] * len(prompts))
    if tokenizer.is_fast:
        return _encode_in_one_pass(tokenizer, prompts, limit, **options)
    whole = _encode(tokenizer, prompts, **options)
    kept = _encode(tokenizer, prompts, truncation=True, max_length=limit, **options)
    cut = [sum(a) - sum(b) for a, b in zip(_masks(whole), _masks(kept), strict=True)]
    return _batch(kept, cut)


def _encode_in_one_pass(
    tokenizer: Any, prompts: Sequence[str], limit: int, **options: Any
) -> Tokenised:
    """Tokenising twice to learn what was cut would show in the throughput of small models."""
    encoded = _encode(
        tokenizer,
        prompts,
        truncation=True,
        max_length=limit,
        return_overflowing_tokens=True,
        return_special_tokens_mask=True,
        **options,
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
