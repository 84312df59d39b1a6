"""Whether CodeCarbon can read the CPU's energy counters here.

It reads them itself, where the kernel shows them; its public API does not say whether it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llenergymeasure.constants import SYSTEM_POWERCAP
from llenergymeasure.core.energy_backends.rapl.counter_sum import SMALLEST_RANGE_UJ
from llenergymeasure.core.energy_backends.rapl.zones import rapl_domains, readable


@dataclass(frozen=True)
class RaplState:
    """What powercap offers for the CPU packages.

    Attributes:
        packages: Package counters that exist, each once.
        readable: Those of them that this process may read.
        wrap_j: Energy after which the smallest readable one starts again, in J.
        example: A counter's file, for messages; one that cannot be read if there is one.
    """

    packages: int = 0
    readable: int = 0
    wrap_j: float = SMALLEST_RANGE_UJ / 1e6
    example: Path | None = None


def look_for_rapl(root: Path = Path(SYSTEM_POWERCAP)) -> RaplState:
    """Try to read every package counter under ``root``."""
    try:
        packages = [domain for domain in rapl_domains(root) if domain.kind == "cpu"]
    except PermissionError:
        return RaplState()
    if not packages:
        return RaplState()
    open_ones = [domain for domain in packages if readable(domain.zone)]
    ranges_uj = [domain.range_uj or SMALLEST_RANGE_UJ for domain in open_ones]
    closed = [domain for domain in packages if domain not in open_ones]
    return RaplState(
        packages=len(packages),
        readable=len(open_ones),
        wrap_j=min(ranges_uj, default=SMALLEST_RANGE_UJ) / 1e6,
        example=(closed or packages)[0].file,
    )
