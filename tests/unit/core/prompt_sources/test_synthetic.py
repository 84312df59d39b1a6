from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from llenergymeasure.config.prompt_models import PromptsConfig
from llenergymeasure.core.prompt_sources.synthetic import synthetic_prompts


def section(input_len, **more) -> PromptsConfig:
    return PromptsConfig(type="synthetic", input_len=input_len, **more)


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_lengths_lie_in_their_range_and_words_are_as_many(low, more, seed) -> None:
    wanted = {"min": low, "max": low + more}
    for prompt in synthetic_prompts(section(wanted, seed=seed, output_len=wanted), 5):
        assert low <= prompt.input_tokens <= low + more
        assert low <= prompt.output_tokens <= low + more
        assert len(prompt.text.split()) == prompt.input_tokens


def test_a_seed_repeats_and_more_prompts_keep_the_first() -> None:
    wanted = section({"min": 1, "max": 500}, output_len={"min": 1, "max": 500}, seed=3)
    assert synthetic_prompts(wanted, 20)[:8] == synthetic_prompts(wanted, 8)
    assert synthetic_prompts(wanted, 8) != synthetic_prompts(
        wanted.model_copy(update={"seed": 4}), 8
    )


def test_uniform_reaches_both_ends_and_normal_is_clipped_around_its_mean() -> None:
    uniform = [p.input_tokens for p in synthetic_prompts(section({"min": 2, "max": 5}), 200)]
    assert set(uniform) == {2, 3, 4, 5}
    normal = {"mean": 100, "std": 20, "min": 60, "max": 130}
    drawn = [p.input_tokens for p in synthetic_prompts(section(normal), 600)]
    assert min(drawn) >= 60
    assert max(drawn) == 130
    assert 97 < sum(drawn) / len(drawn) < 103


def test_prompts_differ_and_no_output_length_is_none() -> None:
    made = synthetic_prompts(section(20), 30)
    assert len({prompt.text for prompt in made}) == 30
    assert {prompt.output_tokens for prompt in made} == {None}
