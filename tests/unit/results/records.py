"""Results as a run would make them, with every number under the test's control."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.domain.environment import EnvironmentMetadata, LoadSample, MachineLoad
from llenergymeasure.domain.experiment import (
    BackendInfo,
    PromptsInfo,
    RawProcessResult,
    WarmupInfo,
)
from llenergymeasure.domain.metrics import ComputeMetrics, inference_metrics, latency_metrics
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.trace import RequestTrace

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
EXPERIMENT = "20300101-120000-000000-abcd"
MACHINE, DEVICE, PROCESS = EnergyScope.MACHINE, EnergyScope.DEVICE, EnergyScope.PROCESS
COUNTER, INTEGRATED = EnergyMethod.COUNTER, EnergyMethod.INTEGRATED
ESTIMATED = EnergyMethod.ESTIMATED


def trace(number: int = 0, *, failed: bool = False, **changes: Any) -> RequestTrace:
    fields: dict[str, Any] = {
        "request_id": number,
        "prompt_tokens": 5 + number,
        "output_token_ids": () if failed else tuple(range(3 + number)),
        "dispatch_ns": 1_000_000 * number,
        "return_ns": 1_000_000 * number + 2_000_000,
        "finish_reason": None if failed else "length",
        "error": "it broke" if failed else None,
    }
    return RequestTrace(**{**fields, **changes})


def domain(
    joules: float | None = 10.0,
    name: str = "cpu",
    scope: EnergyScope = MACHINE,
    method: EnergyMethod | None = COUNTER,
    **changes: Any,
) -> DomainReading:
    if joules is None:
        changes = {"reason": "it could not be read", **changes}
    return DomainReading(
        name=name,
        scope=scope,
        method=None if joules is None else method,
        joules=joules,
        **changes,
    )


def gpu(joules: float | None = 10.0, device_id: str | None = "GPU-1", **changes: Any) -> Any:
    return domain(joules, **{"name": "gpu", "scope": DEVICE, "device_id": device_id, **changes})


def window(start_s: float = 0.0, duration_s: float = 2.0) -> MeasurementWindow:
    return MeasurementWindow(
        start_monotonic_ns=round(start_s * 1e9),
        end_monotonic_ns=round((start_s + duration_s) * 1e9),
        start_utc=START + timedelta(seconds=start_s),
        duration_s=duration_s,
    )


def raw(
    cycle: int = 1,
    process: int = 0,
    *,
    of: int = 1,
    traces: Sequence[RequestTrace] = (trace(0), trace(1)),
    domains: Sequence[DomainReading] = (domain(),),
    host: str = "host",
    boot_id: str | None = None,
    start_s: float = 0.0,
    duration_s: float = 2.0,
    energy: dict[str, Any] | None = None,
    **changes: Any,
) -> RawProcessResult:
    measured = window(start_s, duration_s)
    fields: dict[str, Any] = {
        "experiment_id": EXPERIMENT,
        "config_name": "test",
        "cycle": cycle,
        "process_index": process,
        "process_count": of,
        "created_at": START,
        "window": measured,
        "inference": inference_metrics(traces, duration_s),
        "latency": latency_metrics(traces),
        "energy": EnergyReading(
            **{
                "backend": "counter",
                "domains": tuple(domains),
                "emissions_reason": "no grid is known",
                **(energy or {}),
            }
        ),
        "compute": ComputeMetrics(
            model_parameters=7, peak_memory_bytes=100, peak_memory_source="resident set"
        ),
        "model": ModelInfo(name="m", path="/models/m", parameters=7, dtype="float32"),
        "backend": BackendInfo(name="echo", version="1"),
        "prompts": PromptsInfo(
            source="builtin:x", count=len(traces), sha256="a", used_sha256="b", available=64
        ),
        "warmup": WarmupInfo(prompts=1, duration_s=0.1, latencies_ms=(3.5,)),
        "environment": EnvironmentMetadata(
            hostname=host, os="Linux", python_version="3.12", lem_version="0", boot_id=boot_id
        ),
        "load": MachineLoad(
            during=LoadSample(interval_s=duration_s, own_cores=1.0, other_cores=0.1), threads=2
        ),
    }
    return RawProcessResult(**{**fields, **changes})
