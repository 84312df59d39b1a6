"""Energy above idle: each domain's joules less its idle power times its own window.

marginal_j = sum over the measured domains of (joules - power_w x window.duration_s)

The same domains as the total, or none: a domain without an idle power leaves no sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from llenergymeasure.domain.baseline import DomainBaseline
from llenergymeasure.domain.energy import DomainReading, EnergyMethod
from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.metrics import EnergyMetrics
from llenergymeasure.results.sums.domains import Place, place
from llenergymeasure.results.sums.merging import sum_if_all

_REPLAYED = "replayed joules are not this machine's: they have no idle power"
_ESTIMATED = "the joules are estimated: a model has no idle power of its own"
_NONE = "no idle baseline was measured"
_BELOW_IDLE = ", so the idle power does not hold: something else was busy while it was taken"
# Less than this share of the total is the arithmetic's, not the device's.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class _AboveIdle:
    """One reading above its idle power, in J."""

    joules: float
    uncertainty_j: float | None


def with_marginal(
    energy: EnergyMetrics,
    counted: Mapping[int, Mapping[Place, DomainReading]],
    raws: Sequence[RawProcessResult],
) -> EnergyMetrics:
    """The energy of one or several cycles with what of it is above idle.

    Args:
        energy: Their sums.
        counted: What counts in each cycle (see ``energy_domains.counted_places``).
        raws: The results that they come from.
    """
    baselines = tuple(dict.fromkeys(b for raw in raws for b in raw.baseline)) or None
    reason = _why_none(energy, baselines)
    if reason is not None:
        return energy.model_copy(update={"baseline": baselines, "baseline_reason": reason})
    idle = _by_place(raws)
    parts: list[_AboveIdle] = []
    lacking: dict[str, None] = {}
    for cycle, places in counted.items():
        for where, reading in _pick_measured(places):
            baseline = idle.get((cycle, where))
            part = None if baseline is None else _above_idle(reading, baseline)
            if part is not None:
                parts.append(part)
            else:
                why = _NONE if baseline is None else baseline.reason or "its window is not known"
                lacking[f"{reading.name}: {why}"] = None
    if not parts or lacking:
        reason = "; ".join(lacking) or _NONE
        return energy.model_copy(update={"baseline": baselines, "baseline_reason": reason})
    marginal_j = math.fsum(part.joules for part in parts)
    if energy.total_j is not None and abs(marginal_j) < _ROUNDING * energy.total_j:
        marginal_j = 0.0
    # Parts are added, as those of the total are: they share a sensor and a baseline.
    uncertainty_j = sum_if_all(part.uncertainty_j for part in parts)
    reason = _why_below_idle(marginal_j, uncertainty_j)
    return energy.model_copy(
        update={
            "baseline": baselines,
            "baseline_reason": reason,
            "marginal_j": marginal_j if reason is None else None,
            "marginal_uncertainty_j": uncertainty_j if reason is None else None,
        }
    )


def is_below_idle(energy: EnergyMetrics) -> bool:
    """Whether there is no marginal energy because less was drawn than idle power would have."""
    return (energy.baseline_reason or "").endswith(_BELOW_IDLE)


def _why_below_idle(marginal_j: float, uncertainty_j: float | None) -> str | None:
    """Noise may put the marginal energy a little below zero, nothing puts it far below."""
    if marginal_j + (uncertainty_j or 0.0) >= 0:
        return None
    interval = "" if uncertainty_j is None else f" (\u00b1 {uncertainty_j:.1f} J)"
    return (
        f"the run drew {-marginal_j:.1f} J less than idle power would have{interval}{_BELOW_IDLE}"
    )


def _why_none(energy: EnergyMetrics, baselines: Sequence[DomainBaseline] | None) -> str | None:
    if energy.total_j is None:
        return "there is no total"
    if energy.replayed:
        return _REPLAYED
    if energy.headline == "estimated":
        return _ESTIMATED
    return None if baselines else _NONE


def _pick_measured(places: Mapping[Place, DomainReading]) -> Iterable[tuple[Place, DomainReading]]:
    """What a measured total is the sum of."""
    for where, reading in places.items():
        estimated = reading.method is EnergyMethod.ESTIMATED
        if reading.counted and reading.joules is not None and not estimated:
            yield where, reading


def _by_place(raws: Sequence[RawProcessResult]) -> dict[tuple[int, Place], DomainBaseline]:
    """The idle power of each place in each cycle; of several processes' the first with a number."""
    found: dict[tuple[int, Place], DomainBaseline] = {}
    for raw in sorted(raws, key=lambda raw: (raw.cycle, raw.process_index)):
        own = {(b.name, b.device_id): b for b in raw.baseline}
        for reading in raw.energy.domains:
            baseline = own.get((reading.name, reading.device_id))
            key = (raw.cycle, place(reading, raw))
            if baseline is not None and (key not in found or found[key].power_w is None):
                found[key] = baseline
    return found


def _above_idle(reading: DomainReading, baseline: DomainBaseline) -> _AboveIdle | None:
    window, joules = reading.window, reading.joules
    if baseline.power_w is None or window is None or joules is None:
        return None
    marginal_j = joules - baseline.power_w * window.duration_s
    idle_j = baseline.uncertainty_w
    return _AboveIdle(
        joules=marginal_j,
        uncertainty_j=None
        if idle_j is None
        else _uncertainty_j(reading, marginal_j, idle_j * window.duration_s),
    )


def _uncertainty_j(reading: DomainReading, marginal_j: float, idle_j: float) -> float | None:
    """The sensor's gain errs alike in both, so it counts for the difference alone."""
    if reading.uncertainty_j is None:
        return None
    parts = reading.uncertainty
    gain_j = parts.gain_j if parts is not None else None
    if gain_j is None or not reading.joules:
        return math.hypot(reading.uncertainty_j, idle_j)
    others_j = math.sqrt(max(reading.uncertainty_j**2 - gain_j**2, 0.0))
    gain_of_marginal_j = gain_j * abs(marginal_j) / reading.joules
    return math.hypot(others_j, gain_of_marginal_j, idle_j)
