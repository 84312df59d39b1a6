"""The text of a file of prompts: UTF-8, or an error that says what it is instead."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Final

from llenergymeasure.exceptions import PromptSourceError

_MARKS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_COMPRESSED: Final = ("", ".gz", ".bz2", ".xz", ".zst")


def decode_text(data: bytes, path: Path) -> str:
    """The text, without its byte order mark.

    Raises:
        PromptSourceError: It is not UTF-8.
    """
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            raise PromptSourceError(f"{path} is {name} text", hint="save it as UTF-8")
    if _looks_wide(data[:200]):
        raise PromptSourceError(f"{path} looks like UTF-16 text", hint="save it as UTF-8")
    try:
        return data[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        at = start + error.start
        raise PromptSourceError(
            f"{path} is not UTF-8 text: byte {at} is 0x{data[at]:02x}"
            f" (in line {data.count(bytes([10]), 0, at) + 1})",
            hint="save it as UTF-8 (it may be Latin-1 or Windows-1252), or name another file",
        ) from error


def read_text(path: Path) -> str:
    """The text of a file, which may be compressed.

    Raises:
        PromptSourceError: It cannot be read, or is not UTF-8.
    """
    return decode_text(_read_bytes(path), path)


def text_lines(text: str) -> list[str]:
    """The lines of a text, without their ends.

    Not ``splitlines``: JSON strings and prompts may hold U+2028 and its like.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.rstrip("\r") for line in lines]


def kind_suffix(path: Path) -> str:
    """The suffix that names the kind of file, whatever it is compressed with: ``.csv``."""
    name = path.with_suffix("") if path.suffix in _COMPRESSED else path
    return name.suffix.lower()


def compressed_names(pattern: str) -> list[str]:
    """A pattern for the file itself, and for each way to compress it."""
    return [f"{pattern}{end}" for end in _COMPRESSED]


def can_read(path: Path) -> str | None:
    """Why a file cannot be read; None if it can."""
    try:
        path.open("rb").close()
    except OSError as error:
        return error.strerror or os.strerror(error.errno or 0)
    return None


def _looks_wide(head: bytes) -> bool:
    """Whether every second byte is zero, and no other: UTF-16 without its mark."""
    even, odd = head[::2], head[1::2]
    zeros = [not any(half) for half in (even, odd)]
    return len(head) >= 8 and any(zeros) and all(odd if zeros[0] else even)


def _read_bytes(path: Path) -> bytes:
    import fsspec

    try:
        with fsspec.open(str(path), "rb", compression="infer") as file:
            data: bytes = file.read()
    except Exception as error:  # each compression has errors of its own
        reason = getattr(error, "strerror", None) or str(error)
        raise PromptSourceError(
            f"{path} cannot be read: {reason}", hint="is the file complete, and may you read it?"
        ) from error
    return data
