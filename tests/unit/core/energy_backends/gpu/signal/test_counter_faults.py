from __future__ import annotations

import numpy as np
import pytest

from llenergymeasure.core.energy_backends.gpu.signal.counter_faults import counter_fault
from llenergymeasure.core.energy_backends.gpu.signal.reads import CounterReads
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Period
from llenergymeasure.domain.validity import ReasonCode

MS = 1_000_000


def reads(*pairs: tuple[float, int], took_ms: float = 0.02) -> CounterReads:
    times = np.array([ms for ms, _ in pairs]) * MS
    values = np.array([mj for _, mj in pairs], dtype=np.int64)
    return CounterReads(times.astype(np.int64), (times + took_ms * MS).astype(np.int64), values)


def code(found: CounterReads, period_ms: float | None = 100) -> ReasonCode | None:
    period = Period(int(period_ms * MS)) if period_ms else None
    fault = counter_fault(found, period)
    return fault.code if fault else None


def test_a_counter_that_rises_is_sound() -> None:
    assert code(reads((0, 1), (100, 5), (200, 9))) is None


def test_a_value_read_again_after_half_a_second_stood_still() -> None:
    assert code(reads((0, 1), (100, 5), (620, 5), (700, 9))) is ReasonCode.COUNTER_FROZEN
    assert code(reads((0, 5), (520, 5)), None) is ReasonCode.COUNTER_FROZEN


@pytest.mark.parametrize("gap_ms", [500, 5_000])
def test_where_nobody_looked_nothing_is_known_to_have_stood_still(gap_ms: float) -> None:
    assert code(reads((0, 1), (100, 5), (100 + gap_ms, 900))) is None


def test_only_what_lies_between_two_reads_counts_not_how_long_they_took() -> None:
    # Either read can have been made at any time within half a second.
    assert code(reads((0, 5), (520, 5), took_ms=500)) is None


def test_a_slow_counter_has_five_of_its_periods() -> None:
    assert code(reads((0, 5), (900, 5)), 200) is None
    assert code(reads((0, 5), (1100, 5)), 200) is ReasonCode.COUNTER_FROZEN


def test_a_fall_near_to_zero_is_a_reset_and_another_is_backwards() -> None:
    assert code(reads((0, 10**9), (100, 2_000_000))) is ReasonCode.COUNTER_RESET
    assert code(reads((0, 10**9), (100, 10**9 - 50_000))) is ReasonCode.COUNTER_BACKWARDS


@pytest.mark.parametrize("found", [reads(), reads((0, 1))])
def test_too_few_reads_show_no_fault(found: CounterReads) -> None:
    assert code(found) is None
