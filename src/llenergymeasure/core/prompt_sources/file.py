"""The form of a prompt file: text with a prompt a line, or JSON Lines with a column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.core.prompt_sources.chat import (
    CHAT_COLUMNS,
    NotAPromptError,
    kind_of,
    prompt_of,
)
from llenergymeasure.core.prompt_sources.text import decode_text, text_lines
from llenergymeasure.domain.prompt import Chat, Prompt
from llenergymeasure.exceptions import PromptSourceError

COLUMN_CANDIDATES = ("text", "prompt", "question", "instruction", "input", "content")

_JSONL_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_FOREIGN_SUFFIXES = frozenset({".json", ".csv", ".tsv", ".parquet", ".arrow", ".gz", ".zip"})


@dataclass(frozen=True)
class ParsedPrompts:
    """All prompts of a source.

    Attributes:
        texts: The prompts, in the order of the file.
        column: The JSONL column that they stood in; None for text.
        blank: Lines that are blank, which were passed over.
    """

    texts: tuple[Prompt, ...]
    column: str | None
    blank: int = 0


def parse_prompts(data: bytes, path: Path, column: str | None) -> ParsedPrompts:
    """Take the prompts out of a file's bytes.

    JSON Lines if the file is called so (.jsonl, .ndjson) or a column is given, else text. Blank
    lines are skipped.

    Args:
        data: The file's content.
        path: Its name, for the form and for messages.
        column: The JSONL column, of texts or of messages; None takes the first of
            ``COLUMN_CANDIDATES``, then of ``CHAT_COLUMNS``, that is there.

    Raises:
        PromptSourceError: It is malformed (file and line), or holds no prompt.
    """
    suffix = path.suffix.lower()
    if suffix in _FOREIGN_SUFFIXES:
        raise PromptSourceError(
            f"prompts.path: {path} is a {suffix} file",
            hint="convert it to text with a prompt a line, or to JSON Lines (.jsonl)",
        )
    numbered = list(enumerate(text_lines(decode_text(data, path)), start=1))
    lines = [(number, line) for number, line in numbered if line.strip()]
    blank = len(numbered) - len(lines)
    if column is not None or suffix in _JSONL_SUFFIXES:
        parsed = _parse_jsonl(lines, path, column, blank)
    else:
        parsed = ParsedPrompts(tuple(text for _, text in lines), column=None, blank=blank)
    if not parsed.texts:
        raise PromptSourceError(f"{path} holds no prompt", hint="write one a line")
    return parsed


def _parse_jsonl(
    lines: Sequence[tuple[int, str]], path: Path, column: str | None, blank: int
) -> ParsedPrompts:
    texts: list[Prompt] = []
    for number, line in lines:
        where = f"{path}:{number}"
        record = parse_json_line(line, where)
        column = column or _detect(record, where)
        texts.append(_prompt(record, column, where))
    return ParsedPrompts(tuple(texts), column, blank)


def parse_json_line(line: str, where: str) -> dict[str, Any]:
    """The object in one line of a JSON Lines file.

    Raises:
        PromptSourceError: It is none; the message begins with ``where``.
    """
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise PromptSourceError(
            f"{where}: not JSON: {error.msg} at column {error.colno}",
            hint="each line of a JSON Lines file is one object, such as "
            '{"prompt": "..."}; for plain text leave prompts.column out and call the file .txt',
        ) from error
    except (RecursionError, ValueError) as error:
        # Nesting or a number beyond what Python takes.
        raise PromptSourceError(f"{where}: JSON that cannot be taken in: {error}") from error
    if not isinstance(record, dict):
        raise PromptSourceError(
            f"{where}: {kind_of(record)} where an object is needed",
            hint='each line is one object, such as {"prompt": "..."}',
        )
    return record


def _detect(record: dict[str, Any], where: str) -> str:
    for candidate in (*COLUMN_CANDIDATES, *CHAT_COLUMNS):
        if candidate in record:
            return candidate
    raise PromptSourceError(
        f"{where}: none of the usual columns ({', '.join(COLUMN_CANDIDATES)}) is there, "
        f"but {_names(record)}",
        hint="set prompts.column to the one that holds the prompts",
    )


def _prompt(record: dict[str, Any], column: str, where: str) -> Prompt:
    if column not in record:
        raise PromptSourceError(
            f"{where}: no column {column!r}{did_you_mean(column, record)}",
            hint=f"the columns of that line: {_names(record)}; set prompts.column to one of them",
        )
    value = record[column]
    try:
        if value is None:
            raise NotAPromptError("null where text is needed")
        prompt = prompt_of(value)
    except NotAPromptError as error:
        raise PromptSourceError(f"{where}: column {column!r} holds {error}") from error
    if prompt is None:
        raise PromptSourceError(
            f"{where}: column {column!r} is empty", hint="remove the line or fill it"
        )
    if not _encodable(prompt.text if isinstance(prompt, Chat) else str(prompt)):
        raise PromptSourceError(
            f"{where}: column {column!r} holds half of a surrogate pair, which is not a character",
            hint=r"look for a lone \ud8.. to \udf.. escape",
        )
    return prompt


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _names(record: dict[str, Any]) -> str:
    return ", ".join(repr(name) for name in record) or "none"
