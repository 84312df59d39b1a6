"""The form of a reason's text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from llenergymeasure.domain.validity import Severity

RUN = "`lem experiment`"
TOTAL = "the verdict on the whole result"
PROGRAM = "`lem measure` and `EnergyMeter`"

EFFECTS: Final = {
    Severity.NOTE: "by itself it leaves the result valid",
    Severity.DEGRADED: "use the result with care",
    Severity.INVALID: "do not use the result",
}
"""What a code does to a result."""


class Frequency(StrEnum):
    """How often a code is met in practice."""

    COMMON = "common"
    SOMETIMES = "sometimes"
    RARE = "rare"


@dataclass(frozen=True)
class ReasonText:
    """What a person needs to know of one code.

    Plain sentences, with short commands in backticks. In ``remedy`` what follows a newline is a
    line to copy.

    Attributes:
        title: What happened, in a few words.
        meaning: What was seen.
        harm: How joules or rates go wrong by it.
        remedy: What to do, a step each; the first is the one to try first.
        raised_by: Energy backends that say so; or ``RUN``, ``TOTAL`` or ``PROGRAM``.
        frequency: How often it is met.
        where: On which machines or in which runs.
    """

    title: str
    meaning: str
    harm: str
    remedy: tuple[str, ...]
    raised_by: tuple[str, ...]
    frequency: Frequency
    where: str

    def sections(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Headings with their paragraphs, in the order in which they are read."""
        yield "What it means", (self.meaning,)
        yield "Why it matters", (self.harm,)
        yield "What to do", self.remedy
        yield "How often", (f"{self.frequency.capitalize()}: {self.where}.",)
        yield "Reported by", (f"{self._name_reporters()}.",)

    def _name_reporters(self) -> str:
        parts = [name for name in self.raised_by if name in {RUN, TOTAL, PROGRAM}]
        backends = [name for name in self.raised_by if name not in parts]
        if backends:
            plural = "s" if len(backends) > 1 else ""
            parts.append(f"the energy backend{plural} {', '.join(backends)}")
        names = "; ".join(parts)
        return names[:1].upper() + names[1:]
