"""A model's chat template before its engine is there: found in its folder, rendered by jinja2.

What a template may use beside jinja2 itself is what transformers gives it. Where this one says no,
transformers has the last word (``render_by_transformers``), which takes seconds to import.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from llenergymeasure.domain.prompt import ChatMessage

Render = Callable[[Sequence[ChatMessage]], str]
"""The text of a chat.

Raises:
    Exception: The template is broken, or does not take this chat; its text says why.
"""

_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")


def read_template(folder: Path) -> str | None:
    """The template of a model's folder; None if it has none.

    Raises:
        OSError, ValueError: A file cannot be read.
    """
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found = json.loads((folder / name).read_text("utf-8")).get("chat_template")
            if isinstance(found, list):
                named = {entry["name"]: entry["template"] for entry in found}
                found = named.get("default")
            if found:
                return str(found)
    return None


def make_renderer(template: str, folder: Path) -> Render:
    """A function that puts chats into a template.

    Raises:
        jinja2.TemplateError: The template is broken.
    """
    compiled = _environment().from_string(template)
    tokens = _special_tokens(folder)

    def render(messages: Sequence[ChatMessage]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(
            compiled.render(messages=turns, add_generation_prompt=True, tools=None, **tokens)
        )

    return render


def render_by_transformers(folder: Path, trust_remote_code: bool) -> Render:
    """The same by the tokenizer itself, as in a run."""
    from llenergymeasure.core.model_loader import load_tokenizer
    from llenergymeasure.core.quiet import quieten_transformers

    quieten_transformers()
    tokenizer = load_tokenizer(folder, trust_remote_code=trust_remote_code)

    def render(messages: Sequence[ChatMessage]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    return render


def _environment() -> Any:
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """Marks what the assistant wrote, for training: here its content alone counts."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 wants it

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _as_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return environment


def _as_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **options)


def _special_tokens(folder: Path) -> dict[str, str]:
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    found = {name: config.get(name) for name in _TOKENS}
    texts = {name: t.get("content") if isinstance(t, dict) else t for name, t in found.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}
