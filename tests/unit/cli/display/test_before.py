"""Idle power and warm-up in words."""

from __future__ import annotations

from typing import Any

import pytest

from llenergymeasure.cli.display.before import idle_powers, warmup_words
from llenergymeasure.cli.display.energy import energy_rows
from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod, DomainBaseline
from llenergymeasure.domain.experiment import WarmupInfo, WarmupMode
from llenergymeasure.domain.metrics import EnergyMetrics

FRESH: dict[str, Any] = {
    "name": "gpu:0",
    "level": BaselineLevel.BARE,
    "method": BaselineMethod.FRESH,
    "power_w": 62.04,
    "spread_w": 0.31,
    "duration_s": 30.4,
    "samples": 5,
}


def metrics(**fields: Any) -> EnergyMetrics:
    known: dict[str, Any] = {
        "total_j": 1000.0,
        "partial_j": 1000.0,
        "estimated_j": None,
        "measured_share": 1.0,
        "headline": "measured",
    }
    return EnergyMetrics(**{**known, **fields})


def told(energy: EnergyMetrics) -> list[str]:
    rows = list(energy_rows(energy))
    start = next(i for i, (label, _) in enumerate(rows) if label == "  above idle")
    end = next(i for i, (label, _) in enumerate(rows) if label == "Emissions")
    return [value for _, value in rows[start:end]]


def test_marginal_energy_stands_beside_the_total_with_its_idle_power() -> None:
    baseline = (DomainBaseline(**FRESH),)
    energy = metrics(marginal_j=400.0, marginal_uncertainty_j=22.0, baseline=baseline)
    assert next(iter(energy_rows(energy)))[1] == "1,000 J (measured)"
    assert told(energy) == [
        "400 ± 22 J (measured)",
        "gpu:0 idles at 62.04 W (bare, spread 0.31 W, over 30.40 s)",
    ]


def test_a_marginal_energy_within_its_interval_is_nothing() -> None:
    (line,) = told(metrics(marginal_j=-5.0, marginal_uncertainty_j=22.0))
    assert line == "-5 ± 22 J (measured): not distinguishable from zero"
    (line,) = told(metrics(marginal_j=-5.0))
    assert line == "-5.000 J (measured)"


def test_without_one_there_is_a_reason() -> None:
    (line,) = told(metrics(baseline_reason="gpu:0: no idle time"))
    assert line == "\N{EN DASH}  (gpu:0: no idle time)"


def test_a_stored_idle_power_says_how_old_it_is() -> None:
    stored = DomainBaseline(**{**FRESH, "method": BaselineMethod.CACHED, "age_s": 754.0})
    none = DomainBaseline(**{**FRESH, "method": BaselineMethod.UNAVAILABLE, "power_w": None})
    assert list(idle_powers((stored, none))) == [
        "gpu:0 idles at 62.04 W (bare, spread 0.31 W, measured 12 min 34 s earlier and still true)"
    ]
    assert list(idle_powers(None)) == []


def warmup(**fields: Any) -> WarmupInfo:
    known: dict[str, Any] = {
        "prompts": 16,
        "duration_s": 2.5,
        "mode": WarmupMode.CONVERGED,
        "iterations": 8,
        "final_cv": 0.0123,
        "target_cv": 0.05,
        "converged": True,
    }
    return WarmupInfo(**{**known, **fields})


HOT = {"temperatures_start_c": {"gpu:0": 40.0}, "temperatures_end_c": {"gpu:0": 66.0}}


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (
            warmup(),
            "8 batches in 2.500 s until times varied by 1.23 % (below 5.00 % asked)",
        ),
        (
            warmup(**HOT),
            "8 batches in 2.500 s until times varied by 1.23 % (below 5.00 % asked); "
            "gpu:0 40 to 66 °C",
        ),
        (
            warmup(mode=WarmupMode.CAPPED, converged=False, final_cv=0.2),
            "8 batches in 2.500 s; times varied by 20.0 % (below 5.00 % asked)",
        ),
        (
            warmup(mode=WarmupMode.CAPPED, converged=False, final_cv=None),
            "8 batches in 2.500 s; too few to see whether times are steady",
        ),
        (warmup(mode=WarmupMode.FIXED, **HOT), "16 prompts in 2.500 s; gpu:0 40 to 66 °C"),
        (WarmupInfo(prompts=3, duration_s=1.0), "3 prompts in 1.000 s"),
        (WarmupInfo(prompts=0, duration_s=0.0, mode=WarmupMode.OFF), "none"),
    ],
)
def test_a_warm_up_says_what_it_led_to(info: WarmupInfo, words: str) -> None:
    assert warmup_words(info) == words
