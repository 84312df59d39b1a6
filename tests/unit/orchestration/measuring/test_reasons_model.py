from __future__ import annotations

import pytest

from llenergymeasure.domain.model_info import BATCH_EFFECT, UNUSED_WEIGHTS, BatchEffect, ModelInfo
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.orchestration.measuring.reasons_model import (
    batch_reason,
    model_warnings,
    weights_reason,
)


def model(effect: str | None) -> ModelInfo:
    return ModelInfo(name="m", details={} if effect is None else {BATCH_EFFECT: effect})


def traces(*batches: tuple[int | None, ...]) -> list[RequestTrace]:
    """A request for each number of prompt tokens; None is one that failed."""
    return [
        RequestTrace(i, tokens, (), at, at + 1, error="failed" if tokens is None else None)
        for at, batch in enumerate(batches)
        for i, tokens in enumerate(batch)
    ]


@pytest.mark.parametrize(
    ("effect", "batches", "changed"),
    [
        (BatchEffect.PADDING, [(3, 5), (4, 4), (7,)], 1),
        (BatchEffect.PADDING, [(3, 3), (5, 5)], 0),
        (BatchEffect.PADDING, [(3, None), (5,)], 0),
        (BatchEffect.ANY_BATCH, [(3, 3), (5,), (2, 9, 4)], 5),
        (BatchEffect.ANY_BATCH, [(3,), (5,)], 0),
        (BatchEffect.NONE, [(3, 5)], 0),
        (BatchEffect.UNKNOWN, [(3, 5)], 0),
        (None, [(3, 5)], 0),
        ("a word of some plug-in", [(3, 5)], 0),
    ],
)
def test_it_counts_the_prompts_that_were_answered_otherwise(effect, batches, changed) -> None:
    reason = batch_reason(model(effect), traces(*batches))
    if not changed:
        assert reason is None
        return
    assert reason is not None
    assert reason.code is ReasonCode.BATCH_CHANGES_ANSWERS
    total = sum(map(len, batches))
    assert reason.detail.startswith(f"{changed} of {total} prompts may have other answers")
    assert "set the batch size to 1" in reason.detail


def test_it_is_said_before_the_run() -> None:
    for effect in (BatchEffect.PADDING, BatchEffect.ANY_BATCH):
        [warning] = model_warnings(model(effect))
        assert "set the batch size to 1" in warning
    for effect in (BatchEffect.NONE, BatchEffect.UNKNOWN, None):
        assert list(model_warnings(model(effect))) == []


def test_weights_that_were_left_out_are_named() -> None:
    short = ModelInfo(name="m", details={UNUSED_WEIGHTS: "27: layers.1.a, layers.1.b and 25 more"})
    reason = weights_reason(short)
    assert reason is not None and reason.code is ReasonCode.WEIGHTS_UNUSED
    assert "(27: layers.1.a," in reason.detail and "config.json" in reason.detail
    assert list(model_warnings(short)) == [reason.detail]
    assert weights_reason(ModelInfo(name="m")) is None
