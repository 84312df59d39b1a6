"""Tokens of prompts before an engine is there: by the model's own tokenizer, in one thread.

It reads ``tokenizer.json``, which nearly every model has, and imports nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

# A token stands for one byte or more; special ones come beside.
_SPECIAL = 16


def open_tokenizer(folder: Path) -> Any | None:
    """The tokenizer of a model's folder; None where it takes the engine to read it."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return None
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # noqa: BLE001 - the library raises nothing more precise
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def most_tokens(text: str) -> int:
    """More tokens than this the text cannot have."""
    return len(text.encode("utf-8", "replace")) + _SPECIAL


def count_tokens(tokenizer: Any, text: str, *, special: bool) -> int:
    """Tokens of a text; ``special``: with those that the tokenizer puts around it."""
    return len(tokenizer.encode(text, add_special_tokens=special).ids)
