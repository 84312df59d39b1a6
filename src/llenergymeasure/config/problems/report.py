"""What is wrong with an input: each problem with its place, and all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from llenergymeasure.exceptions import ConfigurationError
from llenergymeasure.security import printable

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A line of a file (from 1), or a source without lines (``--set``, a Python dict)."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        place: Where it stands.
        key: Dotted key; empty for a problem of the whole file.
        message: What is wrong, what is allowed, and the nearest valid thing.
        code: Stable name of the kind of problem.
    """

    place: Place
    key: str
    message: str
    code: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return printable(f"{self.place}: {key}{self.message}")


@dataclass(frozen=True)
class ConfigWarning(Problem):
    """Something to know of that does not block a run."""

    severity: Literal["warning", "info"] = "warning"


class InvalidConfigError(ConfigurationError):
    """A config with one or more problems; ``problems`` lists them all."""

    def __init__(self, problems: Sequence[Problem], *, hint: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), hint=hint)

    def as_data(self) -> list[dict[str, Any]]:
        """The problems as plain data, for ``--json``."""
        return [asdict(problem) for problem in self.problems]


def join_dotted(path: KeyPath) -> str:
    """``("a", 0, "b")`` as ``a[0].b``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
