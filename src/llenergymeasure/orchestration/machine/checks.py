"""The form of what the doctor finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class CheckState(StrEnum):
    """How a check came out, worst last. What is optional may be absent: that is no fault."""

    OK = "ok"
    ABSENT = "not there"
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
    """The worst state of all; what is absent does not count."""
    order = list(CheckState)
    states = (check.state for check in checks if check.state is not CheckState.ABSENT)
    return max(states, key=order.index, default=CheckState.OK)
