"""What an engine says of the model that it loaded."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from llenergymeasure.domain.base import Count, Record

# What ``details["chat_template"]`` says where the model's tokenizer has no chat template.
NO_CHAT_TEMPLATE: Final = "none"
# The key of ``details`` that holds a ``BatchEffect``, where an engine has looked for one.
BATCH_EFFECT: Final = "batch_effect"

# The key of ``details`` that says which weights of the checkpoint were left out, if some were.
UNUSED_WEIGHTS: Final = "unused_weights"


class BatchEffect(StrEnum):
    """What a batch does to greedy answers, beyond rounding."""

    NONE = "none"
    PADDING = "padding"  # a prompt that is padded is answered in another way
    ANY_BATCH = "any_batch"  # and one beside others of its length too
    UNKNOWN = "unknown"


class ModelInfo(Record):
    """The loaded model, and the engine that holds it.

    Attributes:
        name: As the user wrote it.
        path: The directory that it was loaded from; None where there is none.
        revision: The resolved commit of a hub model; None for a local directory.
        parameters: Number of parameters; None where the engine cannot tell.
        dtype: The dtype in use, e.g. ``float32``.
        device: The device in use, e.g. ``cpu`` or ``cuda:0``.
        eos_token_ids: Ids that end a sequence.
        engine_version: Version of the engine, e.g. that of transformers.
        threads: Compute threads of the engine on the CPU; None where it has none of its own.
        details: Anything else worth keeping with a result: library versions, ``load_format``,
            ``chat_template`` (a digest, or ``NO_CHAT_TEMPLATE``), ``batch_effect`` (a
            ``BatchEffect``), ...
    """

    name: str
    path: str | None = None
    revision: str | None = None
    parameters: Count | None = None
    dtype: str | None = None
    device: str | None = None
    eos_token_ids: tuple[int, ...] = ()
    engine_version: str | None = None
    threads: Count | None = None
    details: dict[str, str] = Field(default_factory=dict)
