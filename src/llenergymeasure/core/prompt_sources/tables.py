"""Reading files of tables, of one kind or of several that share their columns.

Delimited and plain text is read here, where every value is text; everything else by the
``datasets`` library.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, Final

from llenergymeasure.core.prompt_sources.delimited import read_delimited
from llenergymeasure.core.prompt_sources.file import parse_json_line
from llenergymeasure.core.prompt_sources.text import can_read, kind_suffix, read_text, text_lines
from llenergymeasure.exceptions import PromptSourceError, StorageError

KINDS: Final[Mapping[str, str]] = {
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".arrow": "arrow",
}
_JSON_LINES = frozenset({".jsonl", ".ndjson"})
_CHUNK_ROWS = 1000


@dataclass(frozen=True)
class Part:
    """Rows that were read at once: a ``datasets.Dataset``, or columns of texts."""

    name: str
    table: Any
    column_names: tuple[str, ...]
    count: int

    def values(self, column: str, indices: Sequence[int]) -> list[Any]:
        """The values of a column in those rows."""
        if isinstance(self.table, dict):
            return [self.table[column][index] for index in indices]
        narrow = self.table.select_columns([column])
        found: list[Any] = []
        for start in range(0, len(indices), _CHUNK_ROWS):
            found += narrow[list(indices[start : start + _CHUNK_ROWS])][column]
        return found


@dataclass(frozen=True)
class Rows:
    """The rows of one split, whatever files they come from."""

    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(part.count for part in self.parts)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(part.count for part in self.parts))

    @property
    def column_names(self) -> list[str]:
        """The columns that all parts have, in the order of the first."""
        first, *others = self.parts
        return [name for name in first.column_names if all(name in o.column_names for o in others)]

    def where(self, index: int) -> str:
        """A row in words: its file, and its place in it from 0."""
        part, inner = self._find(index)
        return f"{self.parts[part].name}: row {inner}"

    def values(self, column: str, order: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Index and value of each row, in that order."""
        for start in range(0, len(order), _CHUNK_ROWS):
            chunk = order[start : start + _CHUNK_ROWS]
            found: dict[int, Any] = {}
            places = [(*self._find(index), index) for index in chunk]
            for part, group in groupby(sorted(places), key=lambda place: place[0]):
                members = list(group)
                inner = [place for _, place, _ in members]
                values = self.parts[part].values(column, inner)
                found |= {
                    index: value for (_, _, index), value in zip(members, values, strict=True)
                }
            yield from ((index, found[index]) for index in chunk)

    def _find(self, index: int) -> tuple[int, int]:
        part = bisect_right(self._ends, index)
        return part, index - (self._ends[part - 1] if part else 0)


def read_files(files: Sequence[Path], where: str, delimiter: str | None) -> Rows:
    """The rows of several files, in the order of the files.

    Args:
        files: Files of tables, of one kind or of several.
        where: The dataset in words, for messages.
        delimiter: What separates values of delimited text; None finds it.

    Raises:
        PromptSourceError: One is malformed or unreadable, or they do not share a column.
        StorageError: The library's cache cannot be written.
    """
    for path in files:
        _check_file(path, where)
    parts: list[Part] = []
    for kind, group in groupby(files, key=lambda path: KINDS[kind_suffix(path)]):
        members = list(group)
        if kind in ("csv", "text"):
            parts += [_read_text_table(path, kind, delimiter) for path in members]
        else:
            parts.append(_read_by_library(kind, members, where))
    rows = Rows(tuple(parts))
    _check_columns(rows, where)
    return rows


def read_saved(folder: Path, where: str) -> Any:
    """What ``save_to_disk`` wrote: a ``datasets.Dataset``, or one for each split.

    Raises:
        PromptSourceError: It cannot be read.
        StorageError: The library's cache cannot be written.
    """
    import datasets

    _quieten()
    try:
        return datasets.load_from_disk(str(folder))
    except Exception as error:
        raise _read_error(error, where) from error


def rows_of(table: Any, name: str) -> Rows:
    """A ``datasets.Dataset`` as rows."""
    return Rows((Part(name, table, tuple(table.column_names), len(table)),))


def _check_file(path: Path, where: str) -> None:
    if kind_suffix(path) not in KINDS:
        raise PromptSourceError(
            f"{where}: {path.suffix or path.name!r} is no kind of table",
            hint=f"known kinds: {', '.join(KINDS)}",
        )
    reason = can_read(path)
    if reason is not None:
        raise PromptSourceError(
            f"{path} cannot be read: {reason}", hint="give yourself the right to read it"
        )


def _read_text_table(path: Path, kind: str, delimiter: str | None) -> Part:
    text = read_text(path)
    is_csv = kind == "csv"
    columns = read_delimited(text, path, delimiter) if is_csv else {"text": text_lines(text)}
    return Part(str(path), columns, tuple(columns), len(next(iter(columns.values()), [])))


def _read_by_library(kind: str, files: list[Path], where: str) -> Part:
    import datasets

    _quieten()
    try:
        table = datasets.load_dataset(
            kind, data_files={"train": [str(path) for path in files]}, split="train"
        )
    except Exception as error:
        for path in files:
            _find_bad_line(path)
        raise _read_error(error, where if len(files) > 1 else str(files[0])) from error
    name = str(files[0]) if len(files) == 1 else f"{files[0].parent} ({len(files)} {kind} files)"
    return Part(name, table, tuple(table.column_names), len(table))


def _find_bad_line(path: Path) -> None:
    """The first line that is no object, with its number: the library says neither."""
    if kind_suffix(path) not in _JSON_LINES:
        return
    for number, line in enumerate(text_lines(read_text(path)), start=1):
        if line.strip():
            parse_json_line(line, f"{path}:{number}")


def _check_columns(rows: Rows, where: str) -> None:
    if rows.column_names:
        return
    first = rows.parts[0]
    if len(rows.parts) == 1:
        raise PromptSourceError(f"{first.name} has no column", hint="name another file")
    other = next(
        (part for part in rows.parts if not set(part.column_names) & set(first.column_names)),
        rows.parts[-1],
    )
    raise PromptSourceError(
        f"the files of {where} share no column: {_columns(first)}, but {_columns(other)}",
        hint="name one of the files with prompts.dataset, or give them the same columns",
    )


def _columns(part: Part) -> str:
    return f"{part.name} has {', '.join(map(repr, part.column_names)) or 'none'}"


def _read_error(error: Exception, where: str) -> Exception:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.filename is not None:
            return StorageError(
                f"reading {where}: {cause.filename}: {cause.strerror}",
                hint="make room or rights there, or point HF_HOME to another folder",
            )
        error = cause if isinstance(cause, Exception) else error
        cause = cause.__cause__
    lines = str(error).strip().splitlines()
    words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return PromptSourceError(
        f"{where} cannot be read: {words}", hint="is it complete, and what its name says?"
    )


def _quieten() -> None:
    import datasets

    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
