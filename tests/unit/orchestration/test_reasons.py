from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.domain.experiment import WarmupInfo
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.orchestration.reasons import process_reasons

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
