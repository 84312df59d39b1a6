"""The nearest valid name to one that is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like ``name``; None when nothing is like it."""
    by_folded = {candidate.lower(): candidate for candidate in valid}
    found = get_close_matches(name.lower(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """``"; did you mean 'x'?"``, or nothing."""
    match = nearest(name, valid)
    return f"; did you mean {match!r}?" if match else ""
