"""What the loaded model says against a result: random or unused weights, the effect of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from llenergymeasure.domain.model_info import BATCH_EFFECT, UNUSED_WEIGHTS, BatchEffect, ModelInfo
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import Reason, ReasonCode

_WHY: dict[str, str] = {
    BatchEffect.PADDING: "this model takes padding for a part of the prompt",
    BatchEffect.ANY_BATCH: "this model mixes up the rows of a batch",
}
_ADVICE: dict[str, str] = {
    BatchEffect.PADDING: "set the batch size to 1, or give prompts that are all of one length",
    BatchEffect.ANY_BATCH: "set the batch size to 1",
}


def dummy_reason(model: ModelInfo) -> Reason | None:
    """The note on random weights, if the model has them."""
    if model.details.get("load_format") != "dummy":
        return None
    return Reason(
        code=ReasonCode.DUMMY_WEIGHTS,
        detail="the weights are random: the arithmetic is the model's, the answers mean nothing "
        "and end by chance",
    )


def weights_reason(model: ModelInfo) -> Reason | None:
    """That the checkpoint holds weights which the measured model has not, if so."""
    unused = model.details.get(UNUSED_WEIGHTS)
    if not unused:
        return None
    return Reason(
        code=ReasonCode.WEIGHTS_UNUSED,
        detail=f"weights of the checkpoint have no place in the model that its config describes "
        f"({unused}); see whether config.json names the right architecture and number of layers",
    )


def model_warnings(model: ModelInfo) -> Iterator[str]:
    """What to say before the run."""
    unused, effect = weights_reason(model), _effect(model)
    if unused is not None:
        yield unused.detail
    if effect in _WHY:
        yield f"{_WHY[effect]}, so its answers in a batch are not its own; {_ADVICE[effect]}"


def batch_reason(model: ModelInfo, traces: Sequence[RequestTrace]) -> Reason | None:
    """That answers are not those of the model alone; only if there were such batches."""
    effect = _effect(model)
    if effect not in _WHY:
        return None
    changed = sum(_count_changed(effect, batch) for batch in _batches(traces))
    if not changed:
        return None
    return Reason(
        code=ReasonCode.BATCH_CHANGES_ANSWERS,
        detail=f"{changed} of {len(traces)} prompts may have other answers than they have alone: "
        f"{_WHY[effect]}; {_ADVICE[effect]}",
    )


def _effect(model: ModelInfo) -> str:
    return model.details.get(BATCH_EFFECT, BatchEffect.NONE)


def _batches(traces: Sequence[RequestTrace]) -> list[list[int]]:
    """The prompts' tokens of each batch: its requests were handed over at one time."""
    answered = [trace for trace in traces if not trace.failed]
    by_time = groupby(answered, key=lambda trace: trace.dispatch_ns)
    return [[trace.prompt_tokens or 0 for trace in batch] for _, batch in by_time]


def _count_changed(effect: str, lengths: Sequence[int]) -> int:
    if effect == BatchEffect.ANY_BATCH:
        return len(lengths) if len(lengths) > 1 else 0
    return sum(length < max(lengths) for length in lengths)
