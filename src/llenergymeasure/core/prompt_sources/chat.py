"""A value of a prompt column: a text, or the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llenergymeasure.domain.prompt import Chat, ChatMessage

CHAT_COLUMNS: Final = ("messages", "conversations", "conversation")

# How other data call the three roles of chat templates.
_ROLES: Final = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


class NotAPromptError(ValueError):
    """The value is neither text nor messages; the text says what it is."""


def prompt_of(value: Any, *, first_turn: bool = False) -> str | Chat | None:
    """The prompt that a value holds; None if it is blank.

    Args:
        value: Text, or a list of messages: ``{role, content}`` or ``{from, value}``.
        first_turn: Of a chat take the first human turn, as text.

    Raises:
        NotAPromptError: It is something else.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    messages = _messages(value)
    if first_turn:
        return next((m.content for m in messages if m.role == "user" and m.content.strip()), None)
    # What the assistant said last is an answer, and the prompt ends before it.
    while messages and messages[-1].role == "assistant":
        messages.pop()
    return Chat(tuple(messages)) if any(m.content.strip() for m in messages) else None


def why_none(value: Any) -> str:
    """In words, why ``prompt_of`` found no prompt in a value."""
    if value is None:
        return "null"
    return "blank" if isinstance(value, str) else "chat without a question"


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return kinds.get(type(value), "a list" if isinstance(value, list) else "an object")


def _messages(value: Any) -> list[ChatMessage]:
    if isinstance(value, Mapping):
        value = _rows(value)
    if not isinstance(value, list):
        raise NotAPromptError(f"{kind_of(value)} where text or messages are needed")
    messages = [_message(item) for item in value]
    if None in messages:
        raise NotAPromptError("a list where text is needed, or messages ({role, content})")
    return [message for message in messages if message is not None]


def _rows(columns: Mapping[str, Any]) -> Any:
    """Messages that are kept as a list of roles beside a list of contents."""
    if not columns or not all(isinstance(column, list) for column in columns.values()):
        return dict(columns)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        return dict(columns)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _message(item: Any) -> ChatMessage | None:
    if not isinstance(item, Mapping):
        return None
    role = item.get("role", item.get("from"))
    content = _text(item.get("content", item.get("value")))
    if not isinstance(role, str) or content is None:
        return None
    return ChatMessage(_ROLES.get(role, role), content)


def _text(content: Any) -> str | None:
    """A message's text, also where it comes in parts; None if it holds anything else."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content:
        parts = [p.get("text") if isinstance(p, Mapping) else None for p in content]
        if all(isinstance(part, str) for part in parts):
            return "".join(part for part in parts if part is not None)
    return None
