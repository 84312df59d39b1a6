"""The batch equals what the tokenizer itself makes, whatever special tokens it adds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from llenergymeasure.core.inference_backends.pytorch.tokenising import tokenise

TEMPLATES = {"none": "$A", "before": "<s> $A", "after": "$A </s>", "both": "<s> $A </s>"}


def make(template: str, side: str) -> PreTrainedTokenizerFast:
    vocabulary = {
        "<pad>": 0,
        "<s>": 1,
        "</s>": 2,
        "?": 3,
        **{c: 4 + i for i, c in enumerate("abc")},
    }
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        truncation_side=side,
    )


TOKENIZERS = {
    (name, side): make(template, side)
    for name, template in TEMPLATES.items()
    for side in ("right", "left")
}

prompt = st.lists(st.sampled_from(["a", "b", "c", "<s>", "</s>", "<pad>", "zzz"]), max_size=14)


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(TOKENIZERS)),
    st.lists(prompt.map(" ".join), min_size=1, max_size=5),
    st.none() | st.integers(3, 12),
)
def test_it_equals_the_tokenizers_own_batch(which, prompts, limit) -> None:
    tokenizer = TOKENIZERS[which]
    if not any(tokenizer(text)["input_ids"] for text in prompts):
        return  # an empty batch has no tensor of its own to compare with
    ours = tokenise(tokenizer, prompts, limit)
    options = {} if limit is None else {"truncation": True, "max_length": limit}
    theirs = tokenizer(prompts, padding=True, **options)
    assert ours.input_ids.tolist() == theirs["input_ids"]
    assert ours.attention_mask.tolist() == theirs["attention_mask"]
    assert ours.lengths == tuple(map(sum, theirs["attention_mask"]))
    whole = [len(tokenizer(text)["input_ids"]) for text in prompts]
    assert [a + b for a, b in zip(ours.lengths, ours.truncated, strict=True)] == whole


class Denies:
    """A tokenizer that never owns up to having cut anything, as tokenizers 0.23.1 at times."""

    def __init__(self, inner: PreTrainedTokenizerFast) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __call__(self, prompts: list[str], **options: Any) -> dict[str, Any]:
        encoded = self.inner(prompts, **options | {"return_overflowing_tokens": False})
        return {key: list(encoded[key]) for key in encoded}


@pytest.mark.parametrize("which", sorted(TOKENIZERS), ids="-".join)
@pytest.mark.parametrize("limit", [None, 3, 4, 9])
def test_what_is_cut_is_counted_by_lengths_alone(which, limit) -> None:
    prompts = ["a b", "a b c a b c a b c", "c", "a b c a"]
    whole = [len(TOKENIZERS[which](prompt)["input_ids"]) for prompt in prompts]
    seen = tokenise(Denies(TOKENIZERS[which]), prompts, limit)
    assert seen.truncated == tuple(max(0, n - (limit or n)) for n in whole)
    assert seen.lengths == tuple(min(n, limit or n) for n in whole)
