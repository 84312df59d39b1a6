"""The kernel's powercap tree: zones with a name, an energy counter and its range.

/sys/class/powercap/
    intel-rapl:0/           name package-0    energy_uj    max_energy_range_uj
    intel-rapl:0:0/         name dram         (also found inside of intel-rapl:0)
    intel-rapl-mmio:0/      name package-0    the same counter by another way
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ENERGY = "energy_uj"
RANGE = "max_energy_range_uj"

# intel-rapl (AMD's too), intel-rapl-mmio; without numbers it is a folder of zones.
_FOLDER = re.compile(r"(intel-rapl(?:-[a-z]+)?)((?::\d+)*)")

# A file of the kernel's never is empty; one that a program writes may be, for a moment.
_TRIES = 3
_PAUSE_S = 0.001

_LONGEST = 256


@dataclass(frozen=True)
class Zone:
    """One counter of the tree.

    Attributes:
        folder: Where its files are.
        control: Which driver shows it, e.g. ``intel-rapl-mmio``.
        number: Its place, e.g. (0, 2) for ``intel-rapl:0:2``, which lies within (0,).
        name: What it counts, e.g. ``package-0``, ``dram``, ``psys``.
    """

    folder: Path
    control: str
    number: tuple[int, ...]
    name: str

    @property
    def energy_file(self) -> Path:
        """The counter, in uJ."""
        return self.folder / ENERGY

    def range_uj(self) -> int | None:
        """Where the counter starts again, in uJ; None if that cannot be read or is no range."""
        try:
            value = int(_text(self.folder / RANGE))
        except (OSError, ValueError):
            return None
        return value if value > 0 else None


def find_zones(root: Path) -> list[Zone]:
    """Every zone under ``root``, each once, by its place; none where there is no tree.

    Raises:
        PermissionError: ``root`` exists and may not be listed.
    """
    found: dict[str, Zone] = {}
    for folder, control, number in _folders(root):
        if number and folder.name not in found:
            name = _name(folder)
            if name is not None:
                found[folder.name] = Zone(folder, control, number, name)
    return sorted(found.values(), key=lambda zone: (zone.control, zone.number))


def read_uj(file: Path, pause: Callable[[float], object] = time.sleep) -> int:
    """A counter's value in uJ.

    Raises:
        OSError: It cannot be read.
        ValueError: It does not hold a number.
    """
    for _ in range(_TRIES - 1):
        try:
            return _counter(file)
        except PermissionError:
            raise
        except (OSError, ValueError):
            pause(_PAUSE_S)
    return _counter(file)


def _counter(file: Path) -> int:
    value = int(_text(file))
    if value < 0:
        raise ValueError(f"{value} is no energy")
    return value


def _folders(root: Path) -> Iterator[tuple[Path, str, tuple[int, ...]]]:
    """Folders of the tree, those of the top before those within."""
    waiting = [root]
    seen: set[Path] = set()
    while waiting:
        folder = waiting.pop(0)
        for entry in _list_folder(folder, strict=folder == root):
            match = _FOLDER.fullmatch(entry.name)
            if match is None or (real := entry.resolve()) in seen:
                continue
            seen.add(real)
            yield entry, match[1], tuple(int(part) for part in match[2].split(":")[1:])
            waiting.append(entry)


def _list_folder(folder: Path, *, strict: bool) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except PermissionError:
        if strict:
            raise
        return []
    except OSError:
        return []


def _name(folder: Path) -> str | None:
    try:
        return _text(folder / "name") or None
    except (OSError, ValueError):
        return None


def _text(file: Path) -> str:
    # Several times a second for as long as a run lasts: a third of what Path.read_text takes.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST).decode("ascii").strip()
    finally:
        os.close(descriptor)
