"""What follows from what was measured. Pure: numbers in, a verdict out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HOLDS, FAILS, OPEN, SKIPPED = "holds", "FAILS", "open", "skipped"

# What our source assumes of a counter and of momentary power; a tenth more is rounding.
SLOWEST_UPDATE_MS = 100.0
AGREEMENT = 0.01
# What short windows leave open: a step of a slow counter at each end that is not aligned to it;
# and an average over the last second, which still shows what was before.
UNALIGNED_EDGES_S = 0.1
AVERAGED_EDGES_S = 0.3
PHASE_SWING = 0.02
LEAST_R2 = 0.995


@dataclass(frozen=True)
class Verdict:
    """``outcome`` is HOLDS, FAILS, OPEN (cannot be told) or SKIPPED."""

    outcome: str
    words: str


@dataclass(frozen=True)
class Updates:
    """How often a register changed, in ms; None where too few changes were seen."""

    median_ms: float | None
    low_ms: float | None
    high_ms: float | None
    changes: int


def updates(change_times_s: Sequence[float]) -> Updates:
    """The usual distance of changes, and the 5th and 95th percentile of it."""
    gaps_ms = np.diff(np.asarray(change_times_s, dtype=float)) * 1e3
    if len(gaps_ms) < 3:
        return Updates(None, None, None, len(change_times_s))
    low, middle, high = (float(q) for q in np.percentile(gaps_ms, (5, 50, 95)))
    return Updates(middle, low, high, len(change_times_s))


def fitted_period_s(step_times_s: Sequence[float]) -> float | None:
    """The period of a regular register, from its first change to its last; None with too few."""
    if len(step_times_s) < 4:
        return None
    median_s = float(np.median(np.diff(step_times_s)))
    length_s = step_times_s[-1] - step_times_s[0]
    return length_s / round(length_s / median_s)


def updates_verdict(counter: Updates | None, instant: Updates | None) -> Verdict:
    """Whether the registers are as fast as our source takes them to be."""
    if counter is None:
        return Verdict(OPEN, "there is no energy counter: joules are integrated from power")
    if counter.median_ms is None:
        return Verdict(FAILS, "the energy counter did not move")
    slow = [
        f"{name} takes {seen.median_ms:.0f} ms"
        for name, seen in (("the counter", counter), ("momentary power", instant))
        if seen is not None
        and seen.median_ms is not None
        and seen.median_ms > 1.1 * SLOWEST_UPDATE_MS
    ]
    if slow:
        return Verdict(
            FAILS, f"{' and '.join(slow)}; at most {SLOWEST_UPDATE_MS:.0f} ms is assumed"
        )
    return Verdict(HOLDS, f"the counter steps every {counter.median_ms:.1f} ms")


def ladder_verdict(levels: Sequence[tuple[str, float, float]]) -> Verdict:
    """Whether idle levels (name, mean W, spread W) differ, so that a baseline must name its own."""
    if len(levels) < 2:
        return Verdict(OPEN, "only one level could be measured")
    (first, base_w, base_spread_w), *others = levels
    words = []
    apart = True
    for name, mean_w, spread_w in others:
        words.append(f"{name} {mean_w - base_w:+.1f} W")
        apart &= mean_w - base_w > base_spread_w + spread_w
    told = f"against {first} ({base_w:.1f} W): {', '.join(words)}"
    if apart:
        return Verdict(HOLDS, f"a baseline must name its level: {told}")
    return Verdict(OPEN, f"the levels are not clearly apart: {told}")


def agreement_verdict(window_s: float, watts: dict[str, float], reference: str) -> Verdict:
    """Whether the readers agree with the reference over the longest window."""
    others = [name for name in watts if name != reference]
    if reference not in watts or not others:
        return Verdict(OPEN, "there is nothing to compare with")
    apart = {name: watts[name] / watts[reference] - 1 for name in others}
    told = [
        f"{name} {100 * apart[name]:+.2f} % (bound {100 * _bound(name, window_s):.1f} %)"
        for name in others
    ]
    agreed = all(abs(apart[name]) <= _bound(name, window_s) for name in others)
    return Verdict(HOLDS if agreed else FAILS, f"over {window_s:g} s: {', '.join(told)}")


def _bound(name: str, window_s: float) -> float:
    edges_s = AVERAGED_EDGES_S if name.startswith("power") else UNALIGNED_EDGES_S
    return max(AGREEMENT, edges_s / window_s)


@dataclass(frozen=True)
class Swing:
    """How power varies with the phase.

    Attributes:
        low_w, high_w: Least and most that was seen.
        share: Amplitude of the first harmonic, as a share of the mean.
        error: Standard error of that share.
        between: Half of the range of the phases' means, as a share of the mean; None where no
            phase was repeated.
        within: Standard error of one phase's mean by its repetitions, likewise.
    """

    low_w: float
    high_w: float
    share: float
    error: float
    between: float | None = None
    within: float | None = None


def phase_swing(phases: Sequence[float], watts: Sequence[float]) -> Swing:
    """The first harmonic of power over the phase (0 to 1), by least squares."""
    angle = 2 * np.pi * np.asarray(phases, dtype=float)
    power = np.asarray(watts, dtype=float)
    terms = np.column_stack((np.ones_like(angle), np.cos(angle), np.sin(angle)))
    (mean, a, b), *_ = np.linalg.lstsq(terms, power, rcond=None)
    spare = len(power) - 3
    residual_w = power - terms @ np.array([mean, a, b])
    sigma_w = math.sqrt(float(residual_w @ residual_w) / spare) if spare > 0 else math.inf
    between, within = _by_repetition(phases, power)
    return Swing(
        low_w=float(power.min()),
        high_w=float(power.max()),
        share=math.hypot(a, b) / mean,
        error=sigma_w * math.sqrt(2 / len(power)) / mean,
        between=between,
        within=within,
    )


def _by_repetition(phases: Sequence[float], power: np.ndarray) -> tuple[float | None, float | None]:
    """Between and within phases: a swing of any shape, a higher harmonic too."""
    groups = [power[np.asarray(phases) == phase] for phase in sorted(set(phases))]
    spare = sum(len(group) - 1 for group in groups)
    if spare == 0:
        return None, None
    means = [float(group.mean()) for group in groups]
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    mean, rounds = float(power.mean()), len(power) / len(groups)
    within_w = math.sqrt(squares / spare / rounds)
    return (max(means) - min(means)) / 2 / mean, within_w / mean


def phase_verdict(swing: Swing) -> Verdict:
    """Whether the counter sees the whole of the time."""
    told = (
        f"the same pulses read {swing.low_w:.0f} to {swing.high_w:.0f} W, by their phase "
        f"(first harmonic {100 * swing.share:.2f} %)"
    )
    # A part-time counter's curve has harmonics too, so its own error is large; it swings farther.
    if swing.share > max(PHASE_SWING, 2 * swing.error):
        return Verdict(FAILS, f"the counter sees only part of the time: {told}")
    # By noise alone, half the range of eight means stays below three of their errors.
    if swing.between is not None and swing.within is not None:
        told += f", ± {100 * swing.between:.1f} % between phases, {100 * swing.within:.1f} % within"
        if swing.between > max(PHASE_SWING, 4 * swing.within):
            return Verdict(FAILS, f"joules depend on the phase: {told}")
    if swing.error > PHASE_SWING / 2:
        return Verdict(OPEN, f"too noisy to tell: {told}")
    return Verdict(HOLDS, f"no sign that the counter is part-time: {told}")


def line_verdict(shares: Sequence[float], watts: Sequence[float]) -> Verdict:
    """Whether power over the share of time at work lies on a straight line."""
    from scipy import stats

    fit = stats.linregress(np.asarray(shares, float), np.asarray(watts, float))
    r2 = float(fit.rvalue) ** 2
    residual_w = np.asarray(watts) - (fit.intercept + fit.slope * np.asarray(shares))
    told = (
        f"{fit.intercept:.0f} W + {fit.slope:.0f} W x share, r2 {r2:.5f}, "
        f"farthest point {np.max(np.abs(residual_w)):.1f} W off"
    )
    return Verdict(HOLDS if r2 >= LEAST_R2 and fit.slope > 0 else FAILS, told)


@dataclass(frozen=True)
class Work:
    """One measured work: its joules, and what edges and waiting leave open."""

    joules: float
    open_j: float


def doubled_verdict(pairs: Sequence[tuple[Work, Work]]) -> Verdict:
    """Whether the interval of double over single work holds 2.

    The sensor's gain is common to both and drops out. The spread over the pairs and what the
    windows' edges leave open are independent.
    """
    from scipy import stats

    logs = np.array([math.log(double.joules / single.joules) for single, double in pairs])
    n = len(logs)
    spread = float(np.std(logs, ddof=1)) if n > 1 else math.inf
    by_spread = float(stats.t.ppf(0.975, n - 1)) * spread / math.sqrt(n) if n > 1 else math.inf
    by_edges = float(np.mean([s.open_j / s.joules + d.open_j / d.joules for s, d in pairs]))
    half = math.hypot(by_spread, by_edges)
    middle = float(np.mean(logs))
    low, high = math.exp(middle - half), math.exp(middle + half)
    told = f"{math.exp(middle):.4f}, 95 % interval {low:.4f} to {high:.4f}, {n} pairs"
    if half > 0.1:
        return Verdict(OPEN, f"too noisy to tell: {told}")
    return Verdict(HOLDS if low <= 2 <= high else FAILS, told)


def foreign_verdict(alone: Sequence[str], joined: Sequence[str], *, told: bool) -> Verdict:
    """Whether the process that joined was caught, and nobody was suspected before.

    Args:
        alone: Codes of the window without it.
        joined: Codes of the window that it joined.
        told: Processes on the GPU can be told apart here.
    """
    code = "foreign_process"
    if not told:
        return Verdict(OPEN, "processes cannot be told apart here (another PID namespace?)")
    if code in alone:
        return Verdict(OPEN, "somebody else was on the GPU before")
    if code in joined:
        return Verdict(HOLDS, f"the process that joined was caught ({code})")
    return Verdict(FAILS, "the process that joined went unnoticed")
