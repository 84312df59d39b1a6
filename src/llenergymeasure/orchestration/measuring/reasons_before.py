"""What happened before the window and speaks against its result: warm-up and idle baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llenergymeasure.domain.baseline import BaselineMethod, DomainBaseline
from llenergymeasure.domain.experiment import WarmupInfo, WarmupMode
from llenergymeasure.domain.validity import Reason, ReasonCode


def baseline_reasons(baselines: Sequence[DomainBaseline]) -> Iterator[Reason]:
    """Reasons that the idle baseline gives; that it does not apply is no reason."""
    for baseline in baselines:
        if baseline.method is BaselineMethod.UNAVAILABLE:
            yield Reason(
                code=ReasonCode.BASELINE_UNAVAILABLE,
                detail=f"no idle power of {baseline.name} at level {baseline.level}: "
                f"{baseline.reason}",
            )
        yield from baseline.findings


def warmup_reasons(warmup: WarmupInfo) -> Iterator[Reason]:
    """Reasons that the warm-up gives."""
    if not warmup.prompts:
        yield Reason(
            code=ReasonCode.WARMUP_OFF, detail="no warm-up was asked for: the first batch is cold"
        )
    if warmup.mode is not WarmupMode.CAPPED:
        return
    if not warmup.converged:
        yield Reason(code=ReasonCode.WARMUP_NOT_CONVERGED, detail=_not_converged(warmup))
    if warmup.temperatures_end_c and not warmup.temperature_steady:
        yield Reason(code=ReasonCode.TEMPERATURE_UNSTEADY, detail=_unsteady(warmup))


def _not_converged(warmup: WarmupInfo) -> str:
    after = f"after {warmup.iterations} warm-up batches in {warmup.duration_s:.1f} s"
    if warmup.final_cv is None:
        return (
            f"{after} too few were alike to tell whether times are steady; raise "
            "warmup.max_duration_s, and see the log for requests that fail"
        )
    return (
        f"{after} times still varied by {warmup.final_cv:.1%} ({warmup.target_cv or 0:.1%} asked); "
        "quieten the machine, or raise warmup.max_prompts and warmup.max_duration_s"
    )


def _unsteady(warmup: WarmupInfo) -> str:
    start, end = warmup.temperatures_start_c, warmup.temperatures_end_c
    moved = [f"{name} {start.get(name, now):.0f} to {now:.0f} °C" for name, now in end.items()]
    return (
        f"temperatures were not seen to stand still in {warmup.duration_s:.1f} s of warm-up "
        f"({', '.join(moved)}); raise warmup.max_duration_s"
    )
