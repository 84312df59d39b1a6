"""What a prompt can be: a text, a chat, or a synthetic one of a wanted length.

Plain dataclasses, like the requests that are made of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that waits for an answer; its last turn is not the assistant's."""

    messages: tuple[ChatMessage, ...]

    @property
    def text(self) -> str:
        """What the turns say, a line each: for an engine that knows no chats."""
        return "\n".join(message.content for message in self.messages)


@dataclass(frozen=True, slots=True)
class SyntheticPrompt:
    """A prompt of an exact length.

    Attributes:
        text: As many words as tokens are wanted; an engine cuts or repeats their tokens to fit.
        input_tokens: Tokens that the model has to see, special tokens included.
        output_tokens: Tokens to generate, no more and no less; None leaves it to the config.
    """

    text: str
    input_tokens: int
    output_tokens: int | None


Prompt = str | Chat | SyntheticPrompt
