"""The config keys that an unknown one may mean: misspelt, elsewhere, or called otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final

MOST: Final = 3
# What other programs call a key whose name is not like it.
_ELSEWHERE: Final = {
    "precision": "dtype",
    "bs": "batch_size",
    "maxnewtokens": "max_output_tokens",
    "maxtokens": "max_output_tokens",
    "minnewtokens": "min_output_tokens",
    "repeats": "num_cycles",
    "iterations": "num_cycles",
}
_SURE, _HERE, _ELSE, _BAND = 1.0, 0.6, 0.75, 0.12


def nearest_keys(name: str, section: str, keys: Iterable[str]) -> list[str]:
    """At most three keys, the most likely first.

    Args:
        name: The last part of the unknown key.
        section: What stands before it; empty at the top.
        keys: All dotted keys that there are.
    """
    scored = []
    for key in keys:
        above, _, last = key.rpartition(".")
        score = _liken(name, last)
        if score >= (_HERE if above == section else _ELSE):
            scored.append((-score, above != section, key.count("."), key))
    if not scored:
        return []
    best, is_elsewhere, *_ = min(scored)
    close = [
        key
        for score, elsewhere, _, key in sorted(scored)
        if score < best + _BAND and (is_elsewhere or not elsewhere)
    ]
    return close[:MOST]


def suggest_keys(name: str, section: str, keys: Sequence[str]) -> str:
    """``"; did you mean 'x'?"``, with the whole key where it stands in another section."""
    found = [
        key.rpartition(".")[2] if key.rpartition(".")[0] == section else key
        for key in nearest_keys(name, section, keys)
    ]
    return f"; did you mean {join_or([repr(key) for key in found])}?" if found else ""


def join_or(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def squash(name: str) -> str:
    """What ``batch-size``, ``batchSize`` and ``batch_size`` have in common."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _liken(name: str, last: str) -> float:
    asked, there = squash(name), squash(last)
    if asked == there or _ELSEWHERE.get(asked) == last:
        return _SURE
    ratio = SequenceMatcher(None, asked, there, autojunk=False).ratio()
    begins = 0.8 if len(asked) > 2 and there.startswith(asked) else 0.0
    return max(ratio, begins)
