"""Synthetic prompts: real words, in exactly as many tokens as are asked for.

Only an engine knows its tokens. So a prompt carries as many words as tokens are wanted, and the
engine cuts or repeats their tokens to fit; for an engine whose tokens are words it fits already.
"""

from __future__ import annotations

import random
from functools import cache
from importlib.resources import files

from llenergymeasure.config.prompt_models import Length, PromptsConfig
from llenergymeasure.domain.prompt import SyntheticPrompt


def synthetic_prompts(prompts: PromptsConfig, count: int) -> list[SyntheticPrompt]:
    """The first ``count`` prompts of the section's seed; more of them do not change the first."""
    assert prompts.input_len is not None
    return [_prompt(prompts, prompts.input_len, index) for index in range(count)]


def _prompt(prompts: PromptsConfig, input_len: Length, index: int) -> SyntheticPrompt:
    # Seeded with text, whose stream Python keeps stable.
    source = random.Random(f"{prompts.random_seed}/{index}")  # noqa: S311 - no secret
    input_tokens = draw(input_len, source)
    output_tokens = None if prompts.output_len is None else draw(prompts.output_len, source)
    words = source.choices(_words(), k=input_tokens)
    return SyntheticPrompt(" ".join(words), input_tokens, output_tokens)


def draw(length: Length, source: random.Random) -> int:
    """One length: uniform from ``min`` to ``max``, or normal and clipped to them."""
    if length.mean is None or length.std is None:
        return source.randint(length.min, length.max)
    drawn = round(source.gauss(length.mean, length.std))
    return min(max(drawn, length.min), length.max)


@cache
def _words() -> list[str]:
    text = files("llenergymeasure.core").joinpath("builtin_text.txt").read_text("utf-8")
    return sorted({word for word in text.split() if word.isalpha()})
