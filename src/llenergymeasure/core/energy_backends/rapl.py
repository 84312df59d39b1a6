"""Whether the CPU's energy counters (RAPL, through powercap) can be read here.

CodeCarbon reads them itself; its public API does not say whether it does, so we look.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")

# The smallest range in use (32 bits of 15.3 uJ), for a kernel that does not tell its own.
SMALLEST_RANGE_UJ = 65_532_610_987.0


@dataclass(frozen=True)
class RaplState:
    """What powercap offers for the CPU packages.

    Attributes:
        packages: Package counters that exist.
        readable: Those of them that this process may read.
        wrap_j: Energy after which the smallest readable one starts again, in J.
        example: A counter's file, for messages.
    """

    packages: int = 0
    readable: int = 0
    wrap_j: float = SMALLEST_RANGE_UJ / 1e6
    example: Path | None = None


def look_for_rapl(root: Path = POWERCAP) -> RaplState:
    """Try to read every package counter under ``root``."""
    packages = [folder for folder in _zones(root) if _text(folder / "name").startswith("package")]
    if not packages:
        return RaplState()
    readable = [folder for folder in packages if _number(folder / "energy_uj") is not None]
    ranges_uj = [_range_uj(folder) for folder in readable]
    return RaplState(
        packages=len(packages),
        readable=len(readable),
        wrap_j=min(ranges_uj, default=SMALLEST_RANGE_UJ) / 1e6,
        example=packages[0] / "energy_uj",
    )


def _zones(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.name.startswith("intel-rapl"))
    except OSError:
        return []


def _range_uj(zone: Path) -> float:
    return _number(zone / "max_energy_range_uj") or SMALLEST_RANGE_UJ


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _number(file: Path) -> float | None:
    try:
        return float(_text(file))
    except ValueError:
        return None
