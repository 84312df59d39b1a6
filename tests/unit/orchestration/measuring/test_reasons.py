from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.domain.experiment import WarmupInfo, WarmupMode
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import ReasonCode, ValidityStatus, judge
from llenergymeasure.orchestration.measuring.reasons import process_reasons

WARM = WarmupInfo(prompts=1, duration_s=0.1)


def window(duration_s: float) -> MeasurementWindow:
    return MeasurementWindow(
        start_monotonic_ns=0,
        end_monotonic_ns=int(duration_s * 1e9),
        start_utc=datetime(2026, 1, 1, tzinfo=UTC),
        duration_s=duration_s,
    )


def reading(method: EnergyMethod | None, *, replayed: bool = False) -> EnergyReading:
    domain = DomainReading(
        name="gpu",
        scope=EnergyScope.MACHINE,
        method=method,
        joules=None if method is None else 5.0,
    )
    return EnergyReading(backend="x", domains=(domain,), replayed=replayed)


def codes(*args) -> set[ReasonCode]:
    return {reason.code for reason in process_reasons(*args)}


@pytest.mark.parametrize(
    ("method", "duration_s", "short"),
    [
        (EnergyMethod.COUNTER, 9.9, True),
        (EnergyMethod.COUNTER, 10.0, False),
        (EnergyMethod.INTEGRATED, 9.9, True),
        (EnergyMethod.ESTIMATED, 0.9, True),
        (EnergyMethod.ESTIMATED, 1.0, False),
        (None, 0.1, False),
    ],
)
def test_a_window_is_too_short_by_its_method(
    method: EnergyMethod | None, duration_s: float, short: bool
) -> None:
    found = codes([], reading(method), window(duration_s), WARM)
    assert (ReasonCode.WINDOW_TOO_SHORT in found) == short


def test_replayed_joules_are_called_so() -> None:
    found = codes([], reading(EnergyMethod.INTEGRATED, replayed=True), window(20), WARM)
    assert found == {ReasonCode.ENERGY_REPLAYED}


def test_truncated_prompts_are_counted() -> None:
    cut = RequestTrace(0, 4, (1,), 0, 1, truncated_prompt_tokens=3)
    whole = RequestTrace(1, 4, (1,), 0, 1)
    (reason,) = process_reasons([cut, whole], reading(None), window(20), WARM)
    assert reason.code is ReasonCode.PROMPTS_TRUNCATED
    assert reason.detail.startswith("1 of 2 prompts lost 3 tokens")


def test_a_cold_start_is_a_note() -> None:
    cold = WarmupInfo(prompts=0, duration_s=0.0)
    assert codes([], reading(None), window(20), cold) == {ReasonCode.WARMUP_OFF}


def test_a_window_that_the_config_calls_too_short_is_invalid() -> None:
    found = process_reasons([], reading(None), window(19.9), WARM, 20.0)
    (reason,) = found
    assert reason.code is ReasonCode.BELOW_MIN_DURATION
    assert reason.detail.startswith("19.9 s is under min_duration_s (20 s)")
    assert judge(found).status is ValidityStatus.INVALID
    assert codes([], reading(None), window(20.0), WARM, 20.0) == set()


def capped(**fields: Any) -> WarmupInfo:
    known: dict[str, Any] = {
        "prompts": 100,
        "duration_s": 12.34,
        "mode": WarmupMode.CAPPED,
        "iterations": 50,
        "target_cv": 0.05,
        "converged": True,
    }
    return WarmupInfo(**{**known, **fields})


@pytest.mark.parametrize(
    ("warmup", "told"),
    [
        (
            capped(converged=False, final_cv=0.123),
            {"warmup_not_converged": "after 50 warm-up batches in 12.3 s times still varied by"},
        ),
        (capped(converged=False), {"warmup_not_converged": "too few were alike"}),
        (
            capped(
                temperature_steady=False,
                temperatures_start_c={"gpu:0": 40.0},
                temperatures_end_c={"gpu:0": 66.0},
            ),
            {"temperature_unsteady": "gpu:0 40 to 66 \N{DEGREE SIGN}C"},
        ),
        (capped(temperatures_end_c={"gpu:0": 66.0}), {"temperature_unsteady": "gpu:0 66 to 66"}),
        (
            capped(converged=False, final_cv=1.0, temperatures_end_c={"gpu:0": 66.0}),
            {"warmup_not_converged": "varied by", "temperature_unsteady": "gpu:0"},
        ),
        (
            capped(
                converged=False,
                final_cv=1.0,
                temperature_steady=True,
                temperatures_end_c={"gpu:0": 66.0},
            ),
            {"warmup_not_converged": "varied by"},
        ),
        (capped(mode=WarmupMode.CONVERGED, final_cv=0.01), {}),
        (capped(mode=WarmupMode.FIXED, converged=None), {}),
        (capped(mode=WarmupMode.OFF, prompts=0, converged=None), {"warmup_off": "cold"}),
    ],
)
def test_what_a_warm_up_says(warmup: WarmupInfo, told: dict[str, str]) -> None:
    found = {r.code: r.detail for r in process_reasons([], reading(None), window(20), warmup)}
    assert set(found) == set(told)
    for code, words in told.items():
        assert words in found[ReasonCode(code)]
