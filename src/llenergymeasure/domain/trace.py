"""One request, and what was observed while an engine answered it.

Plain dataclasses: they are made inside the measured window, where validation would cost time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llenergymeasure.domain.prompt import ChatMessage

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """What an engine is asked to do.

    Attributes:
        request_id: Unique within one call of ``generate``.
        prompt: The text, untokenised; of a chat what its turns say, a line each.
        max_output_tokens: Upper bound on generated tokens.
        min_output_tokens: End-of-sequence is forbidden before this many tokens.
        max_input_tokens: Longer prompts are truncated to this many tokens; None means no bound.
        messages: The turns of a chat, which an engine puts into its model's chat template instead
            of taking ``prompt``; None for a plain text.
        exact_input_tokens: The model has to see exactly so many tokens, special ones included:
            the prompt's tokens are cut or repeated to fit. ``prompt`` has so many words, so for
            an engine whose tokens are words there is nothing to do. None for ordinary prompts.
    """

    request_id: int
    prompt: str
    max_output_tokens: int
    min_output_tokens: int = 0
    max_input_tokens: int | None = None
    messages: tuple[ChatMessage, ...] | None = None
    exact_input_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """What happened to one request. All times are CLOCK_MONOTONIC (``time.monotonic_ns``).

    Attributes:
        request_id: That of the request.
        prompt_tokens: Tokens of the prompt as the model saw them, special tokens included,
            padding excluded. None if the request failed before it was tokenised.
        output_token_ids: Generated ids up to and including the first end-of-sequence token.
        dispatch_ns: When the request was handed to the engine.
        return_ns: When the caller could have its whole answer.
        token_times_ns: When each generated token was seen; one entry a token. None where the
            engine did not show tokens one by one: never interpolated.
        truncated_prompt_tokens: Prompt tokens cut off by ``max_input_tokens``.
        finish_reason: ``stop`` (end of sequence) or ``length``; None if the request failed.
        error: Why the request failed; None if it did not.
        tokenization_ns: Time that turning its prompt into tokens took within the window. Where a
            batch is tokenised at once it is the request's share, so that the requests' times add
            up to the whole. None where the engine does not tell.
    """

    request_id: int
    prompt_tokens: int | None
    output_token_ids: tuple[int, ...]
    dispatch_ns: int
    return_ns: int
    token_times_ns: tuple[int, ...] | None = None
    truncated_prompt_tokens: int = 0
    finish_reason: FinishReason | None = None
    error: str | None = None
    tokenization_ns: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the engine gave no answer to this request."""
        return self.error is not None
