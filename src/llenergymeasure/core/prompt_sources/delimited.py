"""CSV and its like: every value is text, whatever separates the values.

A value is never guessed to be a number or missing: a prompt may be "42", "NA" or "null".
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from llenergymeasure.exceptions import PromptSourceError

DELIMITERS: Final = (",", ";", "\t", "|")
_NAMES: Final = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
# Records that are looked at to find out what separates values.
_LOOK = 50


def read_delimited(text: str, path: Path, delimiter: str | None) -> dict[str, list[str]]:
    """The columns of a delimited file, by the names in its first line.

    Args:
        text: The file's text.
        path: Its name; values of a ``.tsv`` file are separated by tabs.
        delimiter: What separates values; None finds it.

    Raises:
        PromptSourceError: It is malformed, or a line has another number of values than the header.
    """
    if delimiter is None:
        delimiter = "\t" if ".tsv" in path.suffixes else find_delimiter(text)
    records = _records(text, delimiter, path)
    header = next((record for _, record in records if record), [])
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise PromptSourceError(
            f"{path}: the header names the column {twice!r} twice", hint="rename one of them"
        )
    columns: dict[str, list[str]] = {name: [] for name in header}
    for line, values in records:
        # A blank line is a blank value where there is one column, else it is no record.
        record = values or [""] * (len(header) == 1)
        if not record:
            continue
        if len(record) != len(header):
            raise PromptSourceError(
                f"{path}:{line}: {len(record)} values where the header has {len(header)} "
                f"(separated by {_NAMES.get(delimiter, repr(delimiter))})",
                hint="put values that hold the separator in double quotes, or set "
                "prompts.delimiter",
            )
        for column, value in zip(columns.values(), record, strict=True):
            column.append(value)
    return columns


def find_delimiter(text: str) -> str:
    """What separates the values: what is in the header, and as often in the lines after it.

    A comma where several or none of them fit.
    """
    in_header: list[str] = []
    for delimiter in DELIMITERS:
        counts = _count_values(text, delimiter)
        if not counts or counts[0] == 1:
            continue
        in_header.append(delimiter)
        if len(set(counts)) == 1:
            return delimiter
    return in_header[0] if in_header else ","


def _count_values(text: str, delimiter: str) -> list[int]:
    counts: list[int] = []
    try:
        for _, record in _read(text, delimiter):
            if record:
                counts.append(len(record))
            if len(counts) == _LOOK:
                break
    except csv.Error:
        return []
    return counts


def _records(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    line = 1
    try:
        for line, record in _read(text, delimiter):
            yield line, record
    except csv.Error as error:
        words = "the file ends within double quotes" if "end of data" in str(error) else str(error)
        raise PromptSourceError(
            f"{path}: after line {line}: {words}", hint="is the file complete?"
        ) from error


def _read(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and the values of each record; a blank line has no values."""
    # A prompt may be longer than the 128 KiB that the library allows by itself.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for record in reader:
        yield reader.line_num, record
