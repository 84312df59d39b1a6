"""The verdict on a result: may it be used, and if not without care, why."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from llenergymeasure.domain.base import Record


class ValidityStatus(StrEnum):
    """How far a result can be trusted, worst last."""

    VALID = "valid"
    DEGRADED = "degraded"
    INVALID = "invalid"


class ReasonCode(StrEnum):
    """Why a result is not plainly valid. Codes are stable: scripts may match them."""

    ESTIMATE_ONLY = "estimate_only"
    ENERGY_OFF = "energy_off"
    ENERGY_UNAVAILABLE = "energy_unavailable"
    ENERGY_REPLAYED = "energy_replayed"
    WINDOW_TOO_SHORT = "window_too_short"
    BELOW_MIN_DURATION = "below_min_duration"
    CPU_CONTENTION = "cpu_contention"
    LOAD_UNKNOWN = "load_unknown"
    FAILED_REQUESTS = "failed_requests"
    ALL_REQUESTS_FAILED = "all_requests_failed"
    PROMPTS_TRUNCATED = "prompts_truncated"
    WARMUP_OFF = "warmup_off"
    DUMMY_WEIGHTS = "dummy_weights"
    WEIGHTS_UNUSED = "weights_unused"
    BATCH_CHANGES_ANSWERS = "batch_changes_answers"
    INCOMPLETE = "incomplete"
    ENERGY_SOURCES_DIFFER = "energy_sources_differ"
    DEVICES_DIFFER = "devices_differ"
    HOSTS_DIFFER = "hosts_differ"
    SOFTWARE_DIFFERS = "software_differs"
    NVML_UNAVAILABLE = "nvml_unavailable"
    AMDSMI_UNAVAILABLE = "amdsmi_unavailable"
    NO_GPU = "no_gpu"
    DEVICE_LOST = "device_lost"
    SENSOR_UNSUPPORTED = "sensor_unsupported"
    COUNTER_RESET = "counter_reset"
    COUNTER_BACKWARDS = "counter_backwards"
    COUNTER_FROZEN = "counter_frozen"
    WITNESS_DISAGREES = "witness_disagrees"
    SAMPLES_MISSING = "samples_missing"
    SAMPLE_GAP = "sample_gap"
    CPU_TIME_LOST = "cpu_time_lost"
    MIG_SHARED = "mig_shared"
    MODULE_COUNTER = "module_counter"
    IMPOSSIBLE_VALUE = "impossible_value"
    RAPL_UNREADABLE = "rapl_unreadable"
    NO_RAPL = "no_rapl"
    COUNTER_WRAP_RISK = "counter_wrap_risk"
    THROTTLED = "throttled"
    POWER_CAPPED = "power_capped"
    POWER_LIMIT_CHANGED = "power_limit_changed"
    CLOCKS_CHANGED = "clocks_changed"
    FOREIGN_PROCESS = "foreign_process"
    PROCESSES_UNKNOWN = "processes_unknown"
    WARMUP_NOT_CONVERGED = "warmup_not_converged"
    TEMPERATURE_UNSTEADY = "temperature_unsteady"
    BASELINE_UNAVAILABLE = "baseline_unavailable"
    BASELINE_UNSTEADY = "baseline_unsteady"


# A note informs and leaves the result valid.
_NOTES = frozenset(
    {
        ReasonCode.PROMPTS_TRUNCATED,
        ReasonCode.WARMUP_OFF,
        ReasonCode.ENERGY_OFF,
        ReasonCode.DUMMY_WEIGHTS,
        # Whether a machine without GPUs has no number is for its other domains to say.
        ReasonCode.NVML_UNAVAILABLE,
        ReasonCode.AMDSMI_UNAVAILABLE,
        ReasonCode.NO_GPU,
        ReasonCode.NO_RAPL,
        # A GPU at its limit does what it was told to; the limit is in the result.
        ReasonCode.POWER_CAPPED,
        ReasonCode.PROCESSES_UNKNOWN,
        # These speak against marginal_j, which is then null, not against the total.
        ReasonCode.BASELINE_UNAVAILABLE,
        ReasonCode.BASELINE_UNSTEADY,
    }
)
_INVALIDATING = frozenset(
    {
        ReasonCode.ENERGY_UNAVAILABLE,
        ReasonCode.ALL_REQUESTS_FAILED,
        ReasonCode.BELOW_MIN_DURATION,
        ReasonCode.ENERGY_SOURCES_DIFFER,
        ReasonCode.DEVICES_DIFFER,
        ReasonCode.HOSTS_DIFFER,
        ReasonCode.DEVICE_LOST,
        ReasonCode.SENSOR_UNSUPPORTED,
        ReasonCode.COUNTER_RESET,
        ReasonCode.COUNTER_BACKWARDS,
        ReasonCode.COUNTER_FROZEN,
        ReasonCode.WITNESS_DISAGREES,
        ReasonCode.SAMPLES_MISSING,
        ReasonCode.IMPOSSIBLE_VALUE,
        ReasonCode.RAPL_UNREADABLE,
        ReasonCode.COUNTER_WRAP_RISK,
    }
)


class Severity(StrEnum):
    """What one reason does to a result: a note leaves it valid."""

    NOTE = "note"
    DEGRADED = "degraded"
    INVALID = "invalid"


class Reason(Record):
    """One reason: a stable code and what was seen, in words a person can act on."""

    code: ReasonCode
    detail: str


class Validity(Record):
    """A status with all of its reasons."""

    status: ValidityStatus
    reasons: tuple[Reason, ...] = ()


def severity(code: ReasonCode) -> Severity:
    """What a reason of this code does to a result."""
    if code in _INVALIDATING:
        return Severity.INVALID
    return Severity.NOTE if code in _NOTES else Severity.DEGRADED


def judge(reasons: Iterable[Reason]) -> Validity:
    """Derive the status from the reasons: the worst one decides."""
    unique = tuple(dict.fromkeys(reasons))
    found = {severity(reason.code) for reason in unique}
    if Severity.INVALID in found:
        status = ValidityStatus.INVALID
    elif Severity.DEGRADED in found:
        status = ValidityStatus.DEGRADED
    else:
        status = ValidityStatus.VALID
    return Validity(status=status, reasons=unique)
