"""Warming up: the engine answers requests, unmeasured, before the window."""

from __future__ import annotations

import time
from collections.abc import Sequence

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.domain.experiment import WarmupInfo
from llenergymeasure.domain.prompt import Prompt
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.orchestration.events import EventWriter
from llenergymeasure.orchestration.requests import check_lengths, requests_of


def warm_up(
    backend: InferenceBackend,
    config: ExperimentConfig,
    texts: Sequence[Prompt],
    events: EventWriter,
) -> WarmupInfo:
    """Answer the first prompts (again from the first one if there are too few), unmeasured."""
    chosen = [texts[i % len(texts)] for i in range(config.warmup.prompts)]
    begin_ns = time.monotonic_ns()
    traces: list[RequestTrace] = []
    requests = requests_of(config, chosen)
    for trace in backend.generate(requests) if chosen else ():
        events.answered(len(trace.output_token_ids))
        traces.append(trace)
    backend.synchronize()
    check_lengths(requests, traces)
    return WarmupInfo(
        prompts=len(traces),
        duration_s=(time.monotonic_ns() - begin_ns) / 1e9,
        latencies_ms=tuple((t.return_ns - t.dispatch_ns) / 1e6 for t in traces if not t.failed),
    )
