"""What one check of a conformance suite found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """A named check of a backend against its contract.

    Attributes:
        name: Stable name of the check.
        passed: Whether the backend kept to the contract.
        detail: What was seen; empty when there is nothing to add.
    """

    name: str
    passed: bool
    detail: str = ""
