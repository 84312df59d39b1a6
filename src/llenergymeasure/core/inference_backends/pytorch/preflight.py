"""What can be told of a run before its process starts: device, room for prompts, chat template.

The model's own tokenizer and config are read, no weights, and neither torch nor transformers is
imported. A model that is not on this disk yet says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.core.chat_template import (
    Render,
    make_renderer,
    read_template,
    render_by_transformers,
)
from llenergymeasure.core.inference_backends.pytorch.device_ahead import check_device
from llenergymeasure.core.inference_backends.pytorch.fit import check_room
from llenergymeasure.core.model_limits import max_positions
from llenergymeasure.core.model_loader import find_folder
from llenergymeasure.core.token_count import count_tokens, most_tokens, open_tokenizer
from llenergymeasure.domain.prompt import Chat, Prompt, SyntheticPrompt
from llenergymeasure.exceptions import ConfigurationError

# About a second of tokenising. What lies beyond is not looked at, and the note says so.
_MOST_CHARACTERS = 2_000_000


class _Seen(NamedTuple):
    """What was seen of one prompt.

    Attributes:
        tokens: Before anything is cut; an upper bound where it is surely short enough.
        output: Tokens that it may get as an answer.
        limit: Tokens that are left of it; None where nothing is cut.
    """

    tokens: int
    output: int
    limit: int | None

    @property
    def is_cut(self) -> bool:
        return self.limit is not None and self.tokens > self.limit

    @property
    def needed(self) -> int:
        kept = self.tokens if self.limit is None else min(self.tokens, self.limit)
        return kept + self.output


def look_ahead(config: ExperimentConfig, prompts: Sequence[Prompt]) -> list[str]:
    """What a person should know before the run.

    Raises:
        ConfigurationError: The run cannot give a single answer.
    """
    check_device(config.device)
    folder = find_folder(config.model_name, config.revision)
    if folder is None:
        return []
    positions = _read_positions(folder)
    check_room(config, positions)
    texts, notes = _render_chats(config, folder, prompts)
    seen = _measure(config, folder, prompts, texts, positions)
    return [*notes, *_report(config, seen, len(prompts), positions)]


def _read_positions(folder: Path) -> int | None:
    try:
        return max_positions(json.loads((folder / "config.json").read_text("utf-8")))
    except (OSError, ValueError):
        return None


def _render_chats(
    config: ExperimentConfig, folder: Path, prompts: Sequence[Prompt]
) -> tuple[list[str | None], list[str]]:
    """The text of each prompt, None of a chat that the template refuses; and what to say of it.

    Raises:
        ConfigurationError: There is no template, or it takes none of the chats.
    """
    if not any(isinstance(prompt, Chat) for prompt in prompts):
        return [_text(prompt) for prompt in prompts], []
    try:
        template = read_template(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"the chat template of {config.model_name} cannot be read: {error}",
            hint="mend tokenizer_config.json, or choose another model",
        ) from error
    if template is None:
        raise ConfigurationError(
            f"the prompts are chats, but {config.model_name} has no chat template to put them into",
            hint="choose a model that was trained for chats, or set prompts.column to a column of "
            "texts",
        )
    texts, refused = _try_all(prompts, template, folder)
    if refused:
        texts, refused = _try_all(prompts, None, folder, config.trust_remote_code)
    if not refused:
        return texts, []
    chats = sum(isinstance(prompt, Chat) for prompt in prompts)
    first = refused[0].strip().splitlines()[0] if refused[0].strip() else "without a word"
    if len(refused) == len(prompts):
        raise ConfigurationError(
            f"the chat template of {config.model_name} does not take a single chat: {first}",
            hint="mend the template (chat_template in tokenizer_config.json, or "
            "chat_template.jinja), or choose another model",
        )
    return texts, [
        f"{len(refused)} of {chats} chats do not go into the model's chat template and will fail: "
        f"{first}"
    ]


def _try_all(
    prompts: Sequence[Prompt], template: str | None, folder: Path, trusted: bool = False
) -> tuple[list[str | None], list[str]]:
    try:
        render = (
            render_by_transformers(folder, trusted)
            if template is None
            else make_renderer(template, folder)
        )
    except Exception as error:  # noqa: BLE001 - a template is a program of its own
        return [], [str(error)] * len(prompts)
    texts: list[str | None] = []
    refused: list[str] = []
    for prompt in prompts:
        try:
            texts.append(_render(render, prompt))
        except Exception as error:  # noqa: BLE001 - as above
            texts.append(None)
            refused.append(str(error))
    return texts, refused


def _render(render: Render, prompt: Prompt) -> str:
    return render(prompt.messages) if isinstance(prompt, Chat) else _text(prompt)


def _text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else prompt.text


def _measure(
    config: ExperimentConfig,
    folder: Path,
    prompts: Sequence[Prompt],
    texts: Sequence[str | None],
    positions: int | None,
) -> list[_Seen]:
    limit = config.max_input_tokens
    room = None if positions is None else positions - config.max_output_tokens
    least = min((bound for bound in (limit, room) if bound is not None), default=None)
    found: list[_Seen] = []
    tokenizer, left = None, _MOST_CHARACTERS
    for prompt, text in zip(prompts, texts, strict=True):
        if isinstance(prompt, SyntheticPrompt):
            output = prompt.output_tokens or config.max_output_tokens
            found.append(_Seen(prompt.input_tokens, output, None))
            continue
        if text is None:
            continue
        tokens = most_tokens(text)
        if least is not None and tokens > least:
            tokenizer = tokenizer or open_tokenizer(folder)
            left -= len(text)
            if tokenizer is None or left < 0:
                break
            # A chat template writes the special tokens itself.
            tokens = count_tokens(tokenizer, text, special=not isinstance(prompt, Chat))
        found.append(_Seen(tokens, config.max_output_tokens, limit))
    return found


def _report(
    config: ExperimentConfig, seen: Sequence[_Seen], total: int, positions: int | None
) -> Iterator[str]:
    """Which prompts will be cut, and which cannot be answered.

    Raises:
        ConfigurationError: None of them can.
    """
    of = f"{total:,} prompts" if len(seen) == total else f"the {len(seen):,} prompts looked at"
    cut = [one.tokens for one in seen if one.is_cut]
    if cut:
        default = "" if "max_input_tokens" in config.model_fields_set else " (the default)"
        are = "is" if len(cut) == 1 else "are"
        yield (
            f"{len(cut):,} of {of} {are} longer than max_input_tokens {config.max_input_tokens}"
            f"{default} and will be cut; the longest has {max(cut):,} tokens. To keep them whole "
            f"set max_input_tokens to {max(cut)}, or to null for no limit"
        )
    unfit = sum(positions is not None and one.needed > positions for one in seen)
    if not unfit:
        return
    where = (
        f"into the model's {positions:,} positions with {config.max_output_tokens:,} output tokens"
    )
    advice = "lower max_output_tokens or max_input_tokens"
    if unfit == total:
        raise ConfigurationError(f"none of {of} fits {where}", hint=advice)
    do = "does" if unfit == 1 else "do"
    yield f"{unfit:,} of {of} {do} not fit {where} and will fail; {advice}"
