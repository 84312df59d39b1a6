"""What the benchmarks have in common: how a spread is written, and where a table goes."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


def spread(values: Sequence[float], digits: int) -> str:
    """Median (min to max)."""
    return (
        f"{statistics.median(values):.{digits}f} "
        f"({min(values):.{digits}f} to {max(values):.{digits}f})"
    )


def machine(*packages: str) -> str:
    """Date, machine and versions, for the line above a table."""
    versions = [f"{name} {version(name)}" for name in packages]
    said = [
        f"{datetime.now(UTC):%Y-%m-%d}",
        platform.machine(),
        f"{os.cpu_count()} CPUs",
        f"Python {platform.python_version()}",
    ]
    return ", ".join([*said, *versions])


def write_between_marks(path: Path, name: str, report: str) -> None:
    """Replace what stands between the marks of ``name``; at the end if there are none yet."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = path.read_text(encoding="utf-8") if path.exists() else f"{begin}\n{end}\n"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    path.write_text(f"{head}{begin}\n{report}\n{end}{tail}", encoding="utf-8")
