"""From prompts to requests, and whether the engine takes them for what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.domain.model_info import NO_CHAT_TEMPLATE, ModelInfo
from llenergymeasure.domain.prompt import Chat, Prompt, SyntheticPrompt
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace
from llenergymeasure.exceptions import BackendError, ConfigurationError


def check_chats(texts: Sequence[Prompt], prompts: PromptsInfo, model: ModelInfo) -> None:
    """Refuse chats for a model that was never given a form for them.

    Raises:
        ConfigurationError: It has no chat template.
    """
    if not any(isinstance(text, Chat) for text in texts):
        return
    if model.details.get("chat_template") == NO_CHAT_TEMPLATE:
        raise ConfigurationError(
            f"column {prompts.column!r} of {prompts.source} holds messages, but {model.name} has "
            "no chat template to put them into",
            hint="choose a model that was trained for chats, or set prompts.column to a column "
            "of texts",
        )


def check_lengths(requests: Sequence[InferenceRequest], traces: Sequence[RequestTrace]) -> None:
    """Refuse an engine whose synthetic prompts are not of the length that was asked for.

    Raises:
        BackendError: One is not.
    """
    asked = {request.request_id: request.exact_input_tokens for request in requests}
    for trace in traces:
        wanted = asked.get(trace.request_id)
        if wanted is not None and not trace.failed and trace.prompt_tokens != wanted:
            raise BackendError(
                f"a synthetic prompt of {wanted} tokens was asked for, and the engine saw "
                f"{trace.prompt_tokens}",
                hint="this backend does not offer synthetic prompts; use another type of prompts",
            )


def requests_of(config: ExperimentConfig, prompts: Sequence[Prompt]) -> list[InferenceRequest]:
    """What the engine is asked, a request for each prompt."""
    return [_request(config, index, prompt) for index, prompt in enumerate(prompts)]


def _request(config: ExperimentConfig, request_id: int, prompt: Prompt) -> InferenceRequest:
    plain = InferenceRequest(
        request_id=request_id,
        prompt=prompt if isinstance(prompt, str) else prompt.text,
        max_output_tokens=config.max_output_tokens,
        min_output_tokens=config.min_output_tokens,
        max_input_tokens=config.max_input_tokens,
    )
    if isinstance(prompt, Chat):
        return replace(plain, messages=prompt.messages)
    if isinstance(prompt, SyntheticPrompt):
        plain = replace(plain, exact_input_tokens=prompt.input_tokens)
        if prompt.output_tokens is not None:
            wanted = prompt.output_tokens
            plain = replace(plain, max_output_tokens=wanted, min_output_tokens=wanted)
    return plain
