"""Which of powercap's zones are counted, and what they are called.

package-0            cpu:0      psys   psys, shown and not added up: the packages are within
  core, uncore       not read, they are within the package
  dram               ram:0      outside of the package

A zone that two drivers show (MSR and MMIO) is one counter: it is read once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llenergymeasure.core.energy_backends.rapl.powercap import Zone, find_zones, read_uj

Kind = Literal["cpu", "ram", "psys"]

_PACKAGE = re.compile(r"package-(\d+)(?:-die-(\d+))?")


@dataclass(frozen=True)
class RaplDomain:
    """One counter that is read.

    Attributes:
        name: ``cpu:0``, ``ram:0``, ``psys``.
        kind: The same without its number.
        zone: Where it is read.
        range_uj: Where it starts again; None if that is not known.
        socket: The processor that it belongs to; None for psys.
        counted: False where other domains are within.
    """

    name: str
    kind: Kind
    zone: Zone
    range_uj: int | None
    socket: int | None = None
    counted: bool = True

    @property
    def file(self) -> Path:
        """The counter."""
        return self.zone.energy_file


def rapl_domains(root: Path) -> list[RaplDomain]:
    """The domains of the tree under ``root``; none where there is no tree.

    Raises:
        PermissionError: ``root`` exists and may not be listed.
    """
    zones = find_zones(root)
    packages = _by_name(zone for zone in zones if _PACKAGE.fullmatch(zone.name))
    numbers = _numbers(list(packages))
    found = []
    for name, twins in packages.items():
        number, socket = numbers[name], int(_PACKAGE.fullmatch(name)[1])  # type: ignore[index]
        found.append(_domain("cpu", number, twins, socket))
        memories = [zone for twin in twins for zone in zones if _is_memory_of(zone, twin)]
        if memories:
            found.append(_domain("ram", number, memories, socket))
    found.sort(key=lambda domain: (domain.kind, domain.name))
    platform = [zone for zone in zones if zone.name in ("psys", "platform")]
    if platform:
        found.append(_psys(platform, counted=not packages))
    return found


def _by_name(zones: Iterable[Zone]) -> dict[str, list[Zone]]:
    groups: dict[str, list[Zone]] = {}
    for zone in zones:
        groups.setdefault(zone.name, []).append(zone)
    return groups


def _numbers(names: Sequence[str]) -> dict[str, int]:
    """The number of each package; dies of one package are numbered on."""
    matches = {name: _PACKAGE.fullmatch(name) for name in names}
    if all(match is not None and match[2] is None for match in matches.values()):
        return {name: int(match[1]) for name, match in matches.items() if match is not None}
    return {name: place for place, name in enumerate(names)}


def _is_memory_of(zone: Zone, package: Zone) -> bool:
    within = zone.control == package.control and zone.number[:-1] == package.number
    return zone.name == "dram" and within


def _domain(kind: Kind, number: int, twins: Sequence[Zone], socket: int) -> RaplDomain:
    zone = _best(twins)
    return RaplDomain(f"{kind}:{number}", kind, zone, zone.range_uj(), socket)


def _psys(twins: Sequence[Zone], *, counted: bool) -> RaplDomain:
    zone = _best(twins)
    return RaplDomain("psys", "psys", zone, zone.range_uj(), counted=counted)


def _best(twins: Sequence[Zone]) -> Zone:
    """The twin that can be read, and whose range can; of equals the MSR's, which come first."""
    return max(twins, key=lambda zone: (readable(zone), zone.range_uj() is not None))


def readable(zone: Zone) -> bool:
    """Whether this process may read a zone's counter."""
    try:
        read_uj(zone.energy_file)
    except (OSError, ValueError):
        return False
    return True
