from __future__ import annotations

import pytest

from llenergymeasure.core.prompt_sources.chat import NotAPromptError, prompt_of
from llenergymeasure.domain.prompt import Chat, ChatMessage


def chat(*turns: tuple[str, str]) -> Chat:
    return Chat(tuple(ChatMessage(*turn) for turn in turns))


def said(role: str, content: object) -> dict:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        ("text", "text"),
        ("  ", None),
        (None, None),
        ([], None),
        ([said("assistant", "a")], None),
        ([said("user", " ")], None),
        ([said("user", "u"), said("assistant", "a"), said("assistant", "b")], chat(("user", "u"))),
        (
            [said("user", "u"), said("assistant", "a"), said("user", "v")],
            chat(("user", "u"), ("assistant", "a"), ("user", "v")),
        ),
        ([{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}], chat(("user", "h"))),
        ([said("user", [{"type": "text", "text": "a"}, {"text": "b"}])], chat(("user", "ab"))),
        ({"role": ["user"], "content": ["u"]}, chat(("user", "u"))),
    ],
)
def test_a_value_becomes_a_prompt(value, prompt) -> None:
    assert prompt_of(value) == prompt


@pytest.mark.parametrize(
    "value", [5, True, {"a": 1}, ["a"], [said("user", [{"image": 1}])], [{"role": "user"}], {}]
)
def test_anything_else_is_not_one(value) -> None:
    with pytest.raises(NotAPromptError, match="where text"):
        prompt_of(value)


def test_the_first_human_turn() -> None:
    turns = [{"from": "gpt", "value": "x"}, {"from": "human", "value": "h"}]
    assert prompt_of([*turns, {"from": "human", "value": "i"}], first_turn=True) == "h"
    assert prompt_of(turns[:1], first_turn=True) is None
