"""The form of what the doctor finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class CheckState(StrEnum):
    """How a check came out, worst last."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        hint: What to do about it.
        facts: What was found, for programs.
    """

    name: str
    state: CheckState
    detail: str
    hint: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


def worst(checks: Sequence[Check]) -> CheckState:
    """The worst state of all."""
    order = list(CheckState)
    return max((check.state for check in checks), key=order.index, default=CheckState.OK)
