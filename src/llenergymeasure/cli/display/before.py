"""What happened before the window, in words: idle power and warm-up."""

from __future__ import annotations

from collections.abc import Iterator

from llenergymeasure.cli.display.text.numbers import percent, seconds, significant
from llenergymeasure.domain.baseline import BaselineMethod, DomainBaseline
from llenergymeasure.domain.experiment import WarmupInfo, WarmupMode


def idle_powers(baselines: tuple[DomainBaseline, ...] | None) -> Iterator[str]:
    """A line for each domain whose idle power is known."""
    for baseline in baselines or ():
        if baseline.power_w is not None:
            yield f"{baseline.name} idles at {_watts(baseline)} ({_circumstances(baseline)})"


def _watts(baseline: DomainBaseline) -> str:
    return f"{significant(baseline.power_w)} W"


def _circumstances(baseline: DomainBaseline) -> str:
    words = [baseline.level.value, f"spread {significant(baseline.spread_w, 2)} W"]
    if baseline.method is BaselineMethod.CACHED:
        words.append(f"measured {seconds(baseline.age_s)} earlier and still true")
    else:
        words.append(f"over {seconds(baseline.duration_s)}")
    return ", ".join(words)


def warmup_words(warmup: WarmupInfo) -> str:
    """How long the warm-up was, and what it led to."""
    if not warmup.prompts:
        return "none"
    took = seconds(warmup.duration_s)
    if warmup.mode not in (WarmupMode.CONVERGED, WarmupMode.CAPPED):
        return f"{warmup.prompts:,} prompts in {took}{_temperatures(warmup)}"
    batches = f"{warmup.iterations:,} batches in {took}"
    if warmup.final_cv is None:
        return f"{batches}; too few to see whether times are steady{_temperatures(warmup)}"
    asked = f"{percent(warmup.final_cv)} (below {percent(warmup.target_cv)} asked)"
    times = f"until times varied by {asked}" if warmup.converged else f"times varied by {asked}"
    return f"{batches}{' ' if warmup.converged else '; '}{times}{_temperatures(warmup)}"


def _temperatures(warmup: WarmupInfo) -> str:
    start, end = warmup.temperatures_start_c, warmup.temperatures_end_c
    moved = [f"{name} {start.get(name, now):.0f} to {now:.0f} °C" for name, now in end.items()]
    return f"; {', '.join(moved)}" if moved else ""
