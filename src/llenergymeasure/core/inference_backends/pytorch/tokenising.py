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
        highest_ids: The highest id in each prompt.
    """

    input_ids: Any
    attention_mask: Any
    lengths: tuple[int, ...]
    truncated: tuple[int, ...]
    highest_ids: tuple[int, ...]


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
    return _pad(tokenizer, rows, [0] * len(rows))


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
    rows = _encode(tokenizer, prompts, **options)
    cut = [0] * len(rows)
    # Only the long ones a second time, and counted here: what a tokenizer says it cut off is not
    # right in every version.
    long = [i for i, row in enumerate(rows) if limit is not None and len(row) > limit]
    if long:
        texts = [prompts[i] for i in long]
        kept = _encode(tokenizer, texts, truncation=True, max_length=limit, **options)
        for i, row in zip(long, kept, strict=True):
            cut[i] = len(rows[i]) - len(row)
            rows[i] = row
    return _pad(tokenizer, rows, cut)


def _encode(tokenizer: Any, prompts: Sequence[str], **options: Any) -> list[list[int]]:
    encoded = tokenizer(
        list(prompts), return_token_type_ids=False, return_attention_mask=False, **options
    )
    rows: list[list[int]] = encoded["input_ids"]
    return rows


def _pad(tokenizer: Any, rows: Sequence[Sequence[int]], truncated: Sequence[int]) -> Tokenised:
    import torch

    width = max(map(len, rows))
    pads = [width - len(row) for row in rows]
    ids = [[tokenizer.pad_token_id] * pad + list(row) for pad, row in zip(pads, rows, strict=True)]
    mask = [[0] * pad + [1] * (width - pad) for pad in pads]
    return Tokenised(
        torch.tensor(ids, dtype=torch.long),
        torch.tensor(mask, dtype=torch.long),
        tuple(map(len, rows)),
        tuple(truncated),
        tuple(max(row, default=0) for row in rows),
    )
