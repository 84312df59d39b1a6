"""Metrics of one process, one cycle or one experiment: models and the pure formulas.

Definitions follow vLLM and MLPerf:

* ``ttft``  request sent to first token
* ``itl``   the raw gaps between tokens, pooled over requests
* ``tpot``  (e2e - ttft) / (output tokens - 1), one value a request
* ``e2e``   request sent to last token; for a static batch without streaming it is dispatch to
  batch return (``mode: batch_return``)

Quantiles are taken over pooled requests (linear interpolation, numpy's default), never averaged
over processes. Failed requests are left out of latency; their energy is charged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, Self

from pydantic import model_validator

from llenergymeasure.domain.base import Count, NonNegative, Ordinal, Record, Share
from llenergymeasure.domain.baseline import DomainBaseline
from llenergymeasure.domain.brief import Brief, tell_joules
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import DomainReading
from llenergymeasure.domain.trace import RequestTrace

_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+)?")

LatencyMode = Literal["batch_return", "streaming"]


class RequestErrors(Record):
    """Requests that failed alike.

    Attributes:
        text: What the engine said of the first of them; others may differ in their numbers.
        count: How many.
    """

    text: str
    count: Ordinal


class InferenceMetrics(Record):
    """Counts and rates. Rates are ratios of sums, None when the duration is not positive.

    ``errors`` says why requests failed, the most frequent first.

    ``tokenization_s`` is what of the window went into turning prompts into tokens, summed over
    processes; None where an engine does not tell it of each answered request.
    """

    requests: Count
    failed_requests: Count
    input_tokens: Count
    output_tokens: Count
    total_tokens: Count
    duration_s: NonNegative
    output_tokens_per_s: NonNegative | None
    total_tokens_per_s: NonNegative | None
    requests_per_s: NonNegative | None
    truncated_requests: Count = 0
    truncated_prompt_tokens: Count = 0
    tokenization_s: NonNegative | None = None
    errors: tuple[RequestErrors, ...] = ()

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        if max(self.failed_requests, self.truncated_requests) > self.requests:
            raise ValueError("more requests failed, or were truncated, than there are")
        if self.total_tokens != self.input_tokens + self.output_tokens:
            raise ValueError("total_tokens is not the sum of input_tokens and output_tokens")
        return self


class LatencySummary(Record):
    """A distribution of times in ms over n observations.

    A quantile that n observations cannot tell from the maximum is None, with ``reason``: above
    p90 there has to be at least one of 10, above p95 one of 20, above p99 one of 100.
    """

    mean: NonNegative
    p50: NonNegative
    p90: NonNegative | None
    p95: NonNegative | None
    p99: NonNegative | None
    min: NonNegative
    max: NonNegative
    n: Ordinal
    reason: str | None = None

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.min > self.max:
            raise ValueError("min is above max")
        return self


class LatencyMetrics(Record):
    """Latency over the pooled successful requests; a summary is None where nothing was observed."""

    mode: LatencyMode
    e2e_ms: LatencySummary | None = None
    ttft_ms: LatencySummary | None = None
    itl_ms: LatencySummary | None = None
    tpot_ms: LatencySummary | None = None
    reason: str | None = None


class EnergyMetrics(Brief, Record):
    """Energy of the measured window, in J (see ``domain.energy`` for how it adds up).

    ``marginal_j`` is what of ``total_j`` is above idle power (``baseline``, one entry a
    domain), None with ``baseline_reason``; noise may make it negative, by less than its
    interval. ``boundary`` names what ``total_j`` covers. ``j_per_request`` divides by the
    answered requests: a failed one must not make the rest look cheaper.
    ``relative_uncertainty`` is ``uncertainty_j / total_j``; counts are exact, so it holds for
    each joule per something too. ``conditions`` tells how the devices fared.
    """

    total_j: NonNegative | None
    partial_j: NonNegative | None
    estimated_j: NonNegative | None
    measured_share: Share | None
    marginal_j: float | None = None
    marginal_uncertainty_j: NonNegative | None = None
    baseline: tuple[DomainBaseline, ...] | None = None
    baseline_reason: str | None = None
    domains: tuple[DomainReading, ...] = ()
    boundary: tuple[str, ...] = ()
    headline: Literal["measured", "estimated"] | None = None
    uncertainty_j: NonNegative | None = None
    uncertainty_reason: str | None = None
    relative_uncertainty: NonNegative | None = None
    reason: str | None = None
    replayed: bool = False
    j_per_output_token: NonNegative | None = None
    j_per_total_token: NonNegative | None = None
    j_per_request: NonNegative | None = None
    emissions_kg_co2: NonNegative | None = None
    emissions_reason: str | None = None
    conditions: tuple[DeviceConditions, ...] = ()

    @property
    def origin(self) -> str | None:
        """``measured``, ``estimated`` or ``replayed``; None where there is no number."""
        return "replayed" if self.replayed else self.headline

    def half_width_of(self, value_j: float | None) -> float | None:
        """Half the interval of joules per something, or per cycle: what divides is exact."""
        relative = self.relative_uncertainty
        return None if value_j is None or relative is None else value_j * relative

    def _brief(self) -> dict[str, str]:
        told = {"total": tell_joules(self.total_j, self.uncertainty_j, self.origin)}
        if self.total_j is None:
            told["reason"] = self.reason or "not known"
        return told | {domain.name: domain.tell(replayed=self.replayed) for domain in self.domains}


class ComputeMetrics(Record):
    """Memory and work of a run. ``peak_memory_bytes`` says in ``peak_memory_source`` what it is."""

    model_parameters: Count | None = None
    peak_memory_bytes: Count | None = None
    peak_memory_source: str | None = None
    flops_total: NonNegative | None = None
    flops_reason: str | None = None


def ratio(numerator: float | None, denominator: float) -> float | None:
    """Numerator / denominator; None without a numerator, or where no number tells the quotient."""
    if numerator is None or denominator <= 0:
        return None
    quotient = numerator / denominator
    return quotient if math.isfinite(quotient) else None


def inference_metrics(traces: Iterable[RequestTrace], duration_s: float) -> InferenceMetrics:
    """Count requests and tokens over a window of ``duration_s`` seconds.

    Tokens of a failed request that the engine did process are counted: they cost energy.
    """
    traces = list(traces)
    return inference_from_counts(
        requests=len(traces),
        failed_requests=sum(t.failed for t in traces),
        input_tokens=sum(t.prompt_tokens or 0 for t in traces),
        output_tokens=sum(len(t.output_token_ids) for t in traces),
        duration_s=duration_s,
        truncated_requests=sum(t.truncated_prompt_tokens > 0 for t in traces),
        truncated_prompt_tokens=sum(t.truncated_prompt_tokens for t in traces),
        tokenization_s=_tokenization_s(traces),
        errors=count_errors((t.error, 1) for t in traces if t.error is not None),
    )


def count_errors(errors: Iterable[tuple[str, int]]) -> tuple[RequestErrors, ...]:
    """Join errors that are alike but for their numbers, the most frequent first.

    Args:
        errors: Each with the number of requests that it stands for.
    """
    found: dict[str, tuple[str, int]] = {}
    for text, count in errors:
        alike = _NUMBERS.sub("#", text)
        first, before = found.get(alike, (text, 0))
        found[alike] = (first, before + count)
    most = sorted(found.values(), key=lambda error: -error[1])
    return tuple(RequestErrors(text=text, count=count) for text, count in most)


def _tokenization_s(traces: Sequence[RequestTrace]) -> float | None:
    """A request that failed may have failed before it had tokens; an answered one had them."""
    known = [t.tokenization_ns for t in traces if t.tokenization_ns is not None]
    if not known or any(t.tokenization_ns is None for t in traces if not t.failed):
        return None
    return sum(known) / 1e9


def inference_from_counts(
    *,
    requests: int,
    failed_requests: int,
    input_tokens: int,
    output_tokens: int,
    duration_s: float,
    truncated_requests: int = 0,
    truncated_prompt_tokens: int = 0,
    tokenization_s: float | None = None,
    errors: tuple[RequestErrors, ...] = (),
) -> InferenceMetrics:
    """Derive the rates from summed counts, so that a ratio is always a ratio of sums."""
    total_tokens = input_tokens + output_tokens
    return InferenceMetrics(
        requests=requests,
        failed_requests=failed_requests,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=total_tokens,
        duration_s=duration_s,
        output_tokens_per_s=ratio(output_tokens, duration_s),
        total_tokens_per_s=ratio(total_tokens, duration_s),
        requests_per_s=ratio(requests - failed_requests, duration_s),
        truncated_requests=truncated_requests,
        truncated_prompt_tokens=truncated_prompt_tokens,
        tokenization_s=tokenization_s,
        errors=errors,
    )


def summarise_ms(values_ms: Sequence[float]) -> LatencySummary | None:
    """Summarise times in ms; None when there are none, and no quantile of too few."""
    if len(values_ms) == 0:
        return None
    import numpy as np

    array = np.asarray(values_ms, dtype=float)
    n = len(values_ms)
    percents = (90, 95, 99)
    told = {p: float(np.percentile(array, p)) if n >= _least_n(p) else None for p in percents}
    few = [p for p in percents if told[p] is None]
    return LatencySummary(
        mean=float(array.mean()),
        p50=float(np.percentile(array, 50)),
        p90=told[90],
        p95=told[95],
        p99=told[99],
        reason="; ".join(f"p{p} needs {_least_n(p)} observations, there are {n}" for p in few)
        or None,
        min=float(array.min()),
        max=float(array.max()),
        n=int(array.size),
    )


def _least_n(percent: int) -> int:
    """From how many observations on one of them is expected above this quantile."""
    return 100 // (100 - percent)


def latency_metrics(traces: Iterable[RequestTrace]) -> LatencyMetrics:
    """Summarise the latency of the successful requests (definitions at the module's head)."""
    answered = [t for t in traces if not t.failed]
    e2e = [(t.return_ns - t.dispatch_ns) / 1e6 for t in answered]
    timed = [t for t in answered if t.token_times_ns]
    if not timed:
        return LatencyMetrics(
            mode="batch_return",
            e2e_ms=summarise_ms(e2e),
            reason="tokens were not observed one by one, so ttft, itl and tpot are null"
            if answered
            else "no request was answered",
        )
    ttft: list[float] = []
    itl: list[float] = []
    tpot: list[float] = []
    streamed_e2e: list[float] = []
    for trace in timed:
        times = trace.token_times_ns or ()
        first, last = times[0], times[-1]
        ttft.append((first - trace.dispatch_ns) / 1e6)
        streamed_e2e.append((last - trace.dispatch_ns) / 1e6)
        itl.extend((b - a) / 1e6 for a, b in pairwise(times))
        if len(times) > 1:
            tpot.append((last - first) / 1e6 / (len(times) - 1))
    return LatencyMetrics(
        mode="streaming",
        e2e_ms=summarise_ms(streamed_e2e),
        ttft_ms=summarise_ms(ttft),
        itl_ms=summarise_ms(itl),
        tpot_ms=summarise_ms(tpot),
    )
