"""Whether prompts and answers fit the model: what cannot is refused, and nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.core.inference_backends.pytorch.tokenising import Tokenised
from llenergymeasure.domain.trace import InferenceRequest
from llenergymeasure.exceptions import ConfigurationError


@dataclass(frozen=True)
class Limits:
    """What a model takes; None where there is no limit.

    Attributes:
        positions: Tokens of prompt and answer together.
        known_ids: Ids below this one have an embedding.
    """

    positions: int | None
    known_ids: int | None


def check_room(config: ExperimentConfig, positions: int | None) -> None:
    """Refuse only what can never fit: a long limit on short prompts is fine.

    Raises:
        ConfigurationError: The answers alone take all of the model's positions.
    """
    asked = config.max_output_tokens
    if positions is not None and asked >= positions:
        raise ConfigurationError(
            f"max_output_tokens ({asked}) leaves no room for a prompt in the {positions} "
            f"positions of {config.model_name}",
            hint=f"lower it below {positions}",
        )


def refuse_unfit(
    requests: Sequence[InferenceRequest], batch: Tokenised, limits: Limits
) -> list[str | None]:
    """Why each request cannot be answered; None if it can."""
    return [
        _refuse_length(request, length, limits.positions) or _refuse_id(highest, limits.known_ids)
        for request, length, highest in zip(requests, batch.lengths, batch.highest_ids, strict=True)
    ]


def _refuse_length(request: InferenceRequest, length: int, positions: int | None) -> str | None:
    if length == 0:
        return "the prompt has no tokens"
    exact = request.exact_input_tokens
    if exact is not None and length != exact:
        return f"a prompt of exactly {exact} tokens cannot be made; the nearest has {length}"
    if request.max_input_tokens is not None and length > request.max_input_tokens:
        return f"max_input_tokens ({request.max_input_tokens}) leaves no room for special tokens"
    if positions is not None and length + request.max_output_tokens > positions:
        return (
            f"{length} prompt tokens + {request.max_output_tokens} output tokens are above the "
            f"model's {positions} positions"
        )
    return None


def _refuse_id(highest: int, known_ids: int | None) -> str | None:
    # On a GPU such an id would break the device for the rest of the run.
    if known_ids is None or highest < known_ids:
        return None
    return (
        f"the tokenizer gives the prompt a token {highest}, and the model has {known_ids} only: "
        "they do not belong together"
    )
