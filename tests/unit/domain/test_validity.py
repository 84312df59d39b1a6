from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.domain.validity import Reason, ReasonCode, ValidityStatus, judge

EXPECTED = {
    ReasonCode.ESTIMATE_ONLY: ValidityStatus.DEGRADED,
    ReasonCode.ENERGY_OFF: ValidityStatus.VALID,
    ReasonCode.ENERGY_UNAVAILABLE: ValidityStatus.INVALID,
    ReasonCode.ENERGY_REPLAYED: ValidityStatus.DEGRADED,
    ReasonCode.WINDOW_TOO_SHORT: ValidityStatus.DEGRADED,
    ReasonCode.BELOW_MIN_DURATION: ValidityStatus.INVALID,
    ReasonCode.CPU_CONTENTION: ValidityStatus.DEGRADED,
    ReasonCode.LOAD_UNKNOWN: ValidityStatus.DEGRADED,
    ReasonCode.FAILED_REQUESTS: ValidityStatus.DEGRADED,
    ReasonCode.ALL_REQUESTS_FAILED: ValidityStatus.INVALID,
    ReasonCode.PROMPTS_TRUNCATED: ValidityStatus.VALID,
    ReasonCode.WARMUP_OFF: ValidityStatus.VALID,
    ReasonCode.WARMUP_NOT_CONVERGED: ValidityStatus.DEGRADED,
    ReasonCode.TEMPERATURE_UNSTEADY: ValidityStatus.DEGRADED,
    ReasonCode.BASELINE_UNAVAILABLE: ValidityStatus.VALID,
    ReasonCode.BASELINE_UNSTEADY: ValidityStatus.VALID,
    ReasonCode.INCOMPLETE: ValidityStatus.DEGRADED,
    ReasonCode.ENERGY_SOURCES_DIFFER: ValidityStatus.INVALID,
    ReasonCode.DEVICES_DIFFER: ValidityStatus.INVALID,
    ReasonCode.HOSTS_DIFFER: ValidityStatus.INVALID,
    ReasonCode.SOFTWARE_DIFFERS: ValidityStatus.DEGRADED,
    ReasonCode.NVML_UNAVAILABLE: ValidityStatus.VALID,
    ReasonCode.NO_GPU: ValidityStatus.VALID,
    ReasonCode.DEVICE_LOST: ValidityStatus.INVALID,
    ReasonCode.SENSOR_UNSUPPORTED: ValidityStatus.INVALID,
    ReasonCode.COUNTER_RESET: ValidityStatus.INVALID,
    ReasonCode.COUNTER_BACKWARDS: ValidityStatus.INVALID,
    ReasonCode.COUNTER_FROZEN: ValidityStatus.INVALID,
    ReasonCode.WITNESS_DISAGREES: ValidityStatus.INVALID,
    ReasonCode.SAMPLES_MISSING: ValidityStatus.INVALID,
    ReasonCode.IMPOSSIBLE_VALUE: ValidityStatus.INVALID,
    ReasonCode.SAMPLE_GAP: ValidityStatus.DEGRADED,
    ReasonCode.CPU_TIME_LOST: ValidityStatus.DEGRADED,
    ReasonCode.MIG_SHARED: ValidityStatus.DEGRADED,
    ReasonCode.MODULE_COUNTER: ValidityStatus.DEGRADED,
    ReasonCode.PROCESSES_UNKNOWN: ValidityStatus.VALID,
    ReasonCode.DUMMY_WEIGHTS: ValidityStatus.VALID,
    ReasonCode.WEIGHTS_UNUSED: ValidityStatus.DEGRADED,
    ReasonCode.BATCH_CHANGES_ANSWERS: ValidityStatus.DEGRADED,
    ReasonCode.AMDSMI_UNAVAILABLE: ValidityStatus.VALID,
    ReasonCode.RAPL_UNREADABLE: ValidityStatus.INVALID,
    ReasonCode.NO_RAPL: ValidityStatus.VALID,
    ReasonCode.COUNTER_WRAP_RISK: ValidityStatus.INVALID,
    ReasonCode.THROTTLED: ValidityStatus.DEGRADED,
    ReasonCode.POWER_CAPPED: ValidityStatus.VALID,
    ReasonCode.POWER_LIMIT_CHANGED: ValidityStatus.DEGRADED,
    ReasonCode.CLOCKS_CHANGED: ValidityStatus.DEGRADED,
    ReasonCode.FOREIGN_PROCESS: ValidityStatus.DEGRADED,
}
REASONS = st.builds(Reason, code=st.sampled_from(list(EXPECTED)), detail=st.sampled_from("ab"))
WORST = list(ValidityStatus)


@pytest.mark.parametrize("code", EXPECTED)
def test_each_code_has_its_weight(code: ReasonCode) -> None:
    assert judge([Reason(code=code, detail="x")]).status is EXPECTED[code]


def test_the_table_is_whole() -> None:
    assert set(EXPECTED) == set(ReasonCode)


def test_no_reason_is_valid() -> None:
    assert judge([]).status is ValidityStatus.VALID


@given(st.lists(REASONS, max_size=8))
def test_the_worst_reason_decides_and_none_is_lost_or_repeated(reasons: list[Reason]) -> None:
    verdict = judge(reasons)
    worst = max((WORST.index(EXPECTED[r.code]) for r in reasons), default=0)
    assert verdict.status is WORST[worst]
    assert set(verdict.reasons) == set(reasons)
    assert len(verdict.reasons) == len(set(reasons))
