"""What one measured window says against its own result."""

from __future__ import annotations

from collections.abc import Sequence

from llenergymeasure.domain.energy import EnergyMethod, EnergyReading, MeasurementWindow
from llenergymeasure.domain.experiment import WarmupInfo
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.orchestration.measuring.reasons_before import warmup_reasons

# The edge error of a 100 ms counter is about 2 % at 10 s (Part-time Power Measurements,
# arXiv 2312.02741); CodeCarbon's CPU load model under-reads windows below 1 s.
MEASURED_WINDOW_MIN_S = 10.0
ESTIMATED_WINDOW_MIN_S = 1.0

# What makes a run longer; another program has no prompts.
_LONGER = "more prompts, longer outputs"


def process_reasons(
    traces: Sequence[RequestTrace],
    reading: EnergyReading,
    window: MeasurementWindow,
    warmup: WarmupInfo,
    min_duration_s: float | None = None,
) -> tuple[Reason, ...]:
    """Reasons that one process and one cycle give; those of the sums are the aggregate's."""
    found = (
        _below_minimum(window, min_duration_s),
        _short_window(reading, window, f"measure longer: {_LONGER}"),
        _report_replayed(reading),
        _report_truncated(traces),
    )
    told = (reason for reason in found if reason is not None)
    return (*_findings(reading), *told, *warmup_reasons(warmup))


def window_reasons(reading: EnergyReading) -> list[Reason]:
    """Reasons that the windows of a reading's own domains give, without a workload."""
    found = list(_findings(reading))
    windows = [d.window for d in reading.domains if d.window is not None and d.joules is not None]
    if not windows:
        return found
    shortest = min(windows, key=lambda window: window.duration_s)
    reason = _short_window(reading, shortest, "measure longer")
    return [*found, reason] if reason else found


def _findings(reading: EnergyReading) -> tuple[Reason, ...]:
    """What the source itself says against its numbers, or why there are none."""
    return tuple(finding for domain in reading.domains for finding in domain.findings)


def _below_minimum(window: MeasurementWindow, min_duration_s: float | None) -> Reason | None:
    if min_duration_s is None or window.duration_s >= min_duration_s:
        return None
    return Reason(
        code=ReasonCode.BELOW_MIN_DURATION,
        detail=f"{window.duration_s:.4g} s is under min_duration_s ({min_duration_s:g} s); "
        f"measure longer: {_LONGER}",
    )


def _short_window(reading: EnergyReading, window: MeasurementWindow, advice: str) -> Reason | None:
    methods = {domain.method for domain in reading.domains if domain.joules is not None}
    if not methods:
        return None
    measured = bool(methods - {EnergyMethod.ESTIMATED})
    least = MEASURED_WINDOW_MIN_S if measured else ESTIMATED_WINDOW_MIN_S
    if window.duration_s >= least:
        return None
    why = "a counter's update period weighs too much" if measured else "the load model under-reads"
    return Reason(
        code=ReasonCode.WINDOW_TOO_SHORT,
        detail=f"{window.duration_s:.4g} s is under {least:g} s, where {why}; {advice}",
    )


def _report_replayed(reading: EnergyReading) -> Reason | None:
    if not reading.replayed:
        return None
    return Reason(
        code=ReasonCode.ENERGY_REPLAYED,
        detail="the joules come from a recording or a formula, not from this machine",
    )


def _report_truncated(traces: Sequence[RequestTrace]) -> Reason | None:
    cut = [trace.truncated_prompt_tokens for trace in traces if trace.truncated_prompt_tokens]
    if not cut:
        return None
    return Reason(
        code=ReasonCode.PROMPTS_TRUNCATED,
        detail=f"{len(cut)} of {len(traces)} prompts lost {sum(cut)} tokens to max_input_tokens",
    )
