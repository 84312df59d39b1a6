"""What each reason code means and what to do: one text a code, for the docs and `lem explain`."""

from __future__ import annotations

from collections.abc import Mapping

from llenergymeasure.domain.reason_texts.conditions import CONDITIONS
from llenergymeasure.domain.reason_texts.energy import ENERGY
from llenergymeasure.domain.reason_texts.record import EFFECTS, Frequency, ReasonText
from llenergymeasure.domain.reason_texts.run import RUN
from llenergymeasure.domain.reason_texts.sensors import SENSORS
from llenergymeasure.domain.validity import ReasonCode

REASON_TEXTS: Mapping[ReasonCode, ReasonText] = {**ENERGY, **RUN, **SENSORS, **CONDITIONS}
"""Every code's text, in the order in which the index shows them."""

__all__ = ["EFFECTS", "REASON_TEXTS", "Frequency", "ReasonText"]
