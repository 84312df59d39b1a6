from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.domain.metrics import (
    inference_from_counts,
    inference_metrics,
    latency_metrics,
    ratio,
    summarise_ms,
)
from llenergymeasure.domain.trace import RequestTrace

MS = 1_000_000


def trace(dispatch_ms: float, return_ms: float, **changes: Any) -> RequestTrace:
    fields: dict[str, Any] = {
        "request_id": 0,
        "prompt_tokens": 4,
        "output_token_ids": (1, 2, 3),
        "dispatch_ns": round(dispatch_ms * MS),
        "return_ns": round(return_ms * MS),
    }
    return RequestTrace(**{**fields, **changes})


def streamed(dispatch_ms: float, *tokens_ms: float, **changes: Any) -> RequestTrace:
    times = tuple(round(t * MS) for t in tokens_ms)
    # The caller has the answer a little after the last token; that time is nobody's latency.
    late = (tokens_ms[-1] if tokens_ms else dispatch_ms) + 50.0
    return trace(
        dispatch_ms,
        late,
        **{"token_times_ns": times, "output_token_ids": tuple(range(len(times))), **changes},
    )


def failed(**changes: Any) -> RequestTrace:
    return trace(
        0.0, 999.0, **{"output_token_ids": (), "prompt_tokens": None, "error": "broke", **changes}
    )


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (6.0, 3.0, 2.0),
        (0.0, 3.0, 0.0),
        (None, 3.0, None),
        (6.0, 0.0, None),
        (6.0, -1.0, None),
        (6.0, 1e-313, None),
    ],
)
def test_a_ratio_of_nothing_is_none(
    numerator: float | None, denominator: float, expected: float | None
) -> None:
    assert ratio(numerator, denominator) == expected


def test_requests_and_tokens_are_counted() -> None:
    found = inference_metrics(
        [
            trace(0, 1),
            trace(0, 1, prompt_tokens=6, output_token_ids=(1,), truncated_prompt_tokens=2),
            failed(),
            failed(prompt_tokens=5, output_token_ids=(9, 9)),
        ],
        2.0,
    )
    assert (found.requests, found.failed_requests) == (4, 2)
    # What a failed request cost was processed all the same.
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (15, 6, 21)
    assert (found.output_tokens_per_s, found.total_tokens_per_s) == (3.0, 10.5)
    assert found.requests_per_s == 1.0
    assert (found.truncated_requests, found.truncated_prompt_tokens) == (1, 2)


@pytest.mark.parametrize(
    ("times_ns", "failed_ns", "expected_s"),
    [
        ((2_000_000, 3_000_000), None, 0.005),
        ((2_000_000, 3_000_000), 1_000_000, 0.006),
        ((2_000_000, None), 1_000_000, None),
        ((None, None), None, None),
        ((0, 0), None, 0.0),
    ],
)
def test_time_of_tokenising_is_a_sum_that_leaves_out_no_answered_request(
    times_ns: tuple[int | None, ...], failed_ns: int | None, expected_s: float | None
) -> None:
    traces = [trace(0, 1, tokenization_ns=time_ns) for time_ns in times_ns]
    found = inference_metrics([*traces, failed(tokenization_ns=failed_ns)], 2.0)
    assert found.tokenization_s == expected_s


def test_no_time_gives_no_rate() -> None:
    found = inference_from_counts(
        requests=1, failed_requests=0, input_tokens=1, output_tokens=1, duration_s=0.0
    )
    assert found.output_tokens_per_s is found.total_tokens_per_s is found.requests_per_s is None


def test_an_empty_window_counts_nothing() -> None:
    found = inference_metrics([], 1.0)
    assert (found.requests, found.total_tokens, found.output_tokens_per_s) == (0, 0, 0.0)


def test_without_token_times_e2e_is_dispatch_to_return() -> None:
    found = latency_metrics([trace(0, 10), trace(5, 35), failed()])
    assert found.mode == "batch_return"
    assert found.e2e_ms is not None
    assert (found.e2e_ms.min, found.e2e_ms.max, found.e2e_ms.n) == (10.0, 30.0, 2)
    assert found.ttft_ms is found.itl_ms is found.tpot_ms is None
    assert "not observed" in (found.reason or "")


def test_with_token_times_all_four_are_known() -> None:
    found = latency_metrics([streamed(100, 110, 112, 118), streamed(0, 40)])
    assert found.mode == "streaming"
    assert found.reason is None
    assert found.ttft_ms is not None
    assert (found.ttft_ms.min, found.ttft_ms.max) == (10.0, 40.0)
    assert found.e2e_ms is not None
    assert (found.e2e_ms.min, found.e2e_ms.max) == (18.0, 40.0)
    assert found.itl_ms is not None
    assert (found.itl_ms.min, found.itl_ms.max, found.itl_ms.n) == (2.0, 6.0, 2)
    # One token has no gap after it, so only the first request has a tpot.
    assert found.tpot_ms is not None
    assert (found.tpot_ms.mean, found.tpot_ms.n) == (4.0, 1)


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=20, unique=True))
def test_tpot_is_what_e2e_leaves_after_ttft(ns: list[int]) -> None:
    times = tuple(sorted(ns))
    found = latency_metrics([trace(0, 2_000, token_times_ns=times)])
    assert found.e2e_ms is not None
    assert found.ttft_ms is not None
    assert found.tpot_ms is not None
    assert found.itl_ms is not None
    rest = found.e2e_ms.mean - found.ttft_ms.mean
    assert found.tpot_ms.mean == pytest.approx(rest / (len(times) - 1))
    assert found.itl_ms.mean * found.itl_ms.n == pytest.approx(rest)


def test_all_failed_has_no_latency() -> None:
    found = latency_metrics([failed(), failed()])
    assert found.e2e_ms is None
    assert found.reason == "no request was answered"
    assert latency_metrics([]).e2e_ms is None


def test_failed_requests_stay_out_even_with_times() -> None:
    found = latency_metrics([streamed(0, 10, 20), streamed(0, 500, 900, error="broke")])
    assert found.e2e_ms is not None
    assert (found.e2e_ms.max, found.e2e_ms.n) == (20.0, 1)


def test_a_single_time_is_its_own_summary() -> None:
    found = summarise_ms([7.0])
    assert found is not None
    assert {found.mean, found.p50, found.min, found.max} == {7.0}
    assert found.p90 is found.p95 is found.p99 is None
    assert found.n == 1
    assert summarise_ms([]) is None


def test_quantiles_are_linear_between_neighbours() -> None:
    found = summarise_ms([float(n) for n in range(101)])
    assert found is not None
    assert (found.p50, found.p90, found.p95, found.p99) == (50.0, 90.0, 95.0, 99.0)
    found = summarise_ms([0.0, 10.0])
    assert found is not None
    assert found.p50 == 5.0


@pytest.mark.parametrize(("name", "least"), [("p90", 10), ("p95", 20), ("p99", 100)])
def test_a_quantile_that_would_be_the_maximum_is_none_and_says_why(name: str, least: int) -> None:
    enough = summarise_ms([float(n) for n in range(least)])
    assert enough is not None
    assert getattr(enough, name) < enough.max
    few = summarise_ms([float(n) for n in range(least - 1)])
    assert few is not None
    assert getattr(few, name) is None
    assert f"{name} needs {least} observations, there are {least - 1}" in (few.reason or "")


def test_enough_observations_leave_no_reason() -> None:
    found = summarise_ms([float(n) for n in range(100)])
    assert found is not None
    assert found.reason is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=120))
def test_a_summary_is_ordered_and_does_not_depend_on_order(values: list[float]) -> None:
    found = summarise_ms(values)
    assert found is not None
    quantiles = [q for q in (found.p90, found.p95, found.p99) if q is not None]
    ladder = [found.min, found.p50, *quantiles, found.max]
    assert all(low <= high + 1e-9 * max(1.0, high) for low, high in itertools.pairwise(ladder))
    assert found.mean == pytest.approx(float(np.mean(values)))
    again = summarise_ms(values[::-1])
    assert again is not None
    assert again.p99 == found.p99
