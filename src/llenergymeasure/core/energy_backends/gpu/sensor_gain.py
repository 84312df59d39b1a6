"""How far a device's power sensor may be off as a whole, by class of device.

Software cannot see it: counter and power share the sensor. The numbers are the largest errors
against an external meter in Yang, Adamek, Armour, "Part-time Power Measurements" (2023,
arXiv 2312.02741, authors' data), rounded up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PAPER = "arXiv 2312.02741"


@dataclass(frozen=True)
class SensorGain:
    """The sensor shows between ``1 - relative`` and ``1 + relative`` times the truth.

    Attributes:
        relative: Largest relative error.
        origin: Where the number comes from.
    """

    relative: float
    origin: str

    def uncertainty_j(self, joules: float) -> float:
        """How far the truth can be from a reading, in J."""
        return joules * self.relative / (1 - self.relative)


_CLASSES = (
    (r"\bP100\b", SensorGain(0.01, f"{_PAPER}: P100")),
    (r"\bGTX 10\d0", SensorGain(0.01, f"{_PAPER}: GTX 10xx")),
    (r"\bA100\b", SensorGain(0.06, f"{_PAPER}: A100")),
    (r"\bRTX 3090\b", SensorGain(0.05, f"{_PAPER}: RTX 3090")),
    (r"\bRTX 4090\b", SensorGain(0.05, f"{_PAPER}: RTX 4090")),
)
_OTHERS = SensorGain(0.05, f"not known for this device; taken as usual ({_PAPER})")


def sensor_gain(device_name: str) -> SensorGain:
    """What is known of this kind of device."""
    for pattern, gain in _CLASSES:
        if re.search(pattern, device_name):
            return gain
    return _OTHERS
