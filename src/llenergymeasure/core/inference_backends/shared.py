"""What several inference backends need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from llenergymeasure.domain.trace import FinishReason, InferenceRequest


def static_batches(
    requests: Sequence[InferenceRequest], size: int
) -> Iterator[list[InferenceRequest]]:
    """Batches of at most ``size`` requests in their order.

    Requests with different length bounds never share a batch: the longer one would make the
    shorter one wait for tokens that it did not ask for. Nor do texts, chats and prompts of an
    exact length, which are tokenised in different ways.
    """
    for _, group in groupby(requests, key=lambda request: (_bounds(request), _form(request))):
        alike = list(group)
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _bounds(request: InferenceRequest) -> tuple[int, int, int | None]:
    return (request.max_output_tokens, request.min_output_tokens, request.max_input_tokens)


def _form(request: InferenceRequest) -> tuple[bool, bool]:
    return (request.messages is not None, request.exact_input_tokens is not None)


def cut_after_eos(ids: Sequence[int], eos_ids: frozenset[int]) -> tuple[int, ...]:
    """The ids up to and including the first end-of-sequence token."""
    for position, token in enumerate(ids):
        if token in eos_ids:
            return tuple(ids[: position + 1])
    return tuple(ids)


def finish_reason(ids: Sequence[int], eos_ids: frozenset[int]) -> FinishReason:
    """``stop`` if the ids end in an end-of-sequence token, else ``length``."""
    return "stop" if ids and ids[-1] in eos_ids else "length"
