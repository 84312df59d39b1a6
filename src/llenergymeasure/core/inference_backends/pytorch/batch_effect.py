"""Whether a model answers a prompt in a batch as it does alone: a few tokens, compared at load.

Most models mask padding out, and keep the rows of a batch apart. One that carries a state along
its input (RWKV) may not, and says nothing of it. Which ones do depends on the class and on the
version of transformers, so the loaded model itself is asked.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from statistics import median
from typing import Any

from llenergymeasure.core.model_limits import known_ids
from llenergymeasure.core.model_loader import LoadedModel
from llenergymeasure.domain.model_info import BatchEffect

_log = logging.getLogger(__name__)

_SHORT, _LONG, _STEPS = 3, 19, 2
# Of the root mean square of a difference of logits, in standard deviations of the logits. Rounding
# makes 1e-7 to 1e-6 of it in float32, and more where a GPU rounds its factors (TF32); how much,
# shows in a batch without padding.
_LEAST, _LEAST_ROUNDINGS, _TIMES_SEEN = 1e-4, 4, 8
_MOST_PRECISION, _MOST_ROUNDINGS = 1e-3, 16

# The token of each step, and the logits that it was chosen from.
_Answer = list[tuple[int, Any]]


def find_batch_effect(
    loaded: LoadedModel, eos_ids: Collection[int], positions: int | None
) -> BatchEffect:
    """Compare short prompts alone, in a batch of equals, and padded to a long one beside them."""
    long = _LONG if positions is None else min(_LONG, positions - _STEPS)
    ordinary = _ordinary_ids(loaded)
    if long <= _SHORT or not ordinary:
        return BatchEffect.UNKNOWN
    # Several, since rounding may send a token to another expert: one row may stray, not all.
    shorts = [_draw(ordinary, start, _SHORT) for start in (11, 101, 509)]
    try:
        alone = [_answer(loaded, [short], eos_ids)[0] for short in shorts]
        together = _answer(loaded, shorts, eos_ids)
        padded = _answer(loaded, [*shorts, _draw(ordinary, 1009, long)], eos_ids)
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError) as error:
        # A model that takes no batch at all fails with each of its batches, and says why.
        _log.warning("batches could not be compared: %s: %s", type(error).__name__, error)
        return BatchEffect.UNKNOWN
    if not all(_is_finite(answer) for answer in alone):
        return BatchEffect.UNKNOWN
    precision, rounding = _precision(loaded.model), _distance(alone, together)
    most = _MOST_ROUNDINGS * max(_MOST_PRECISION, precision)
    if rounding > most:
        return BatchEffect.ANY_BATCH
    least = max(_LEAST, _LEAST_ROUNDINGS * precision)
    allowed = min(max(least, _TIMES_SEEN * rounding), most)
    return BatchEffect.PADDING if _distance(alone, padded) > allowed else BatchEffect.NONE


def _ordinary_ids(loaded: LoadedModel) -> list[int]:
    size = len(loaded.tokenizer)
    special = set(loaded.tokenizer.all_special_ids)
    known = range(min(size, known_ids(loaded.model) or size))
    return [token for token in known if token not in special]


def _draw(ids: Sequence[int], start: int, count: int) -> list[int]:
    return [ids[(start + 7919 * place) % len(ids)] for place in range(count)]


def _answer(
    loaded: LoadedModel, rows: Sequence[Sequence[int]], eos_ids: Collection[int]
) -> list[_Answer]:
    """The answer to each row, by the same way as in a run: ``generate``, padded on the left."""
    import torch
    from transformers import GenerationConfig

    width = max(map(len, rows))
    pad = loaded.tokenizer.pad_token_id
    ids = [[pad] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    settings = GenerationConfig(
        max_new_tokens=_STEPS,
        min_new_tokens=_STEPS,
        do_sample=False,
        eos_token_id=sorted(eos_ids) or None,
        pad_token_id=pad,
        output_logits=True,
        return_dict_in_generate=True,
    )
    with torch.inference_mode():
        output = loaded.model.generate(
            input_ids=torch.tensor(ids, device=loaded.model.device),
            attention_mask=torch.tensor(mask, device=loaded.model.device),
            generation_config=settings,
        )
    tokens = output.sequences[:, width:].tolist()
    steps = [step.float().cpu() for step in output.logits]
    return [
        [(token, step[row]) for token, step in zip(tokens[row], steps, strict=True)]
        for row in range(len(rows))
    ]


def _is_finite(answer: _Answer) -> bool:
    """Whether there is anything to compare: a model may forbid tokens, but not all of them."""
    return all(bool(logits.isfinite().any()) and not logits.isnan().any() for _, logits in answer)


def _distance(alone: Sequence[_Answer], batched: Sequence[_Answer]) -> float:
    """How far the middle one of the prompts is off."""
    return median(_apart(one, other) for one, other in zip(alone, batched, strict=False))


def _apart(alone: _Answer, batched: _Answer) -> float:
    worst = 0.0
    for (token, expected), (seen_token, seen) in zip(alone, batched, strict=True):
        kept = expected.isfinite()
        off = (expected - seen)[kept]
        if bool(off.any()):
            spread = float(expected[kept].std())
            share = float(off.square().mean().sqrt()) / spread if spread else math.inf
            worst = max(worst, math.inf if math.isnan(share) else share)
        # From here on they continue different texts.
        if token != seen_token:
            break
    return worst


def _precision(model: Any) -> float:
    import torch

    return float(torch.finfo(model.dtype).eps)
