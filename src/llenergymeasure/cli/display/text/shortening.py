"""What a user gave comes back in messages; a whole prompt or an encoded file must not. Light."""

from __future__ import annotations

import re
from typing import Any

# A path in a deep folder still fits.
_LONGEST_WORD = 240
# The longest of our own sentences, with all keys of a section listed in it, is half of this.
_LONGEST_LINE = 1200
_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")


def shorten(text: str) -> str:
    """``text`` whose long words and long lines keep their beginning and their end."""
    return "\n".join(_shorten_line(line) for line in text.split("\n"))


def shorten_all(data: Any) -> Any:
    """Plain data with all of its texts shortened."""
    if isinstance(data, str):
        return shorten(data)
    if isinstance(data, dict):
        return {key: shorten_all(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [shorten_all(value) for value in data]
    return data


def _shorten_line(line: str) -> str:
    short = _WORD.sub(lambda found: _cut(found[0], _LONGEST_WORD), line)
    return _cut(short, _LONGEST_LINE)


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    begin, end = length // 2, length // 3
    left_out = len(text) - begin - end
    return f"{text[:begin]}...({left_out:,} characters)...{text[-end:]}"
