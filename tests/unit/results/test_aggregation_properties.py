"""Laws of adding up that hold for any experiment."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import COUNTER, ESTIMATED, START, domain, gpu, raw, window

from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.metrics import latency_metrics
from llenergymeasure.domain.trace import RequestTrace
from llenergymeasure.results.aggregation import aggregate

JOULES = st.floats(0.01, 1e6)
TOKENS = st.integers(1, 50)


@dataclass(frozen=True)
class Part:
    """One process in one cycle."""

    raw: RawProcessResult
    traces: tuple[RequestTrace, ...]


@st.composite
def traces(draw: st.DrawFn) -> tuple[RequestTrace, ...]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        failed = draw(st.integers(0, 9)) == 0
        start = draw(st.integers(0, 10**9))
        made.append(
            RequestTrace(
                request_id=number,
                prompt_tokens=draw(TOKENS),
                output_token_ids=() if failed else tuple(range(draw(TOKENS))),
                dispatch_ns=start,
                return_ns=start + draw(st.integers(1, 10**9)),
                error="it broke" if failed else None,
            )
        )
    return tuple(made)


@st.composite
def experiments(draw: st.DrawFn, max_processes: int = 4) -> list[Part]:
    """Cycles of processes on one host, that each have a GPU and all read one machine."""
    processes, method = (
        draw(st.integers(1, max_processes)),
        draw(st.sampled_from([COUNTER, ESTIMATED])),
    )
    parts = []
    for cycle in range(1, draw(st.integers(1, 4)) + 1):
        # Whoever reads the machine does so for all of the work.
        machine = domain(draw(JOULES), method=method, window=window(100.0 * cycle, 25.0))
        for process in range(processes):
            requests = draw(traces())
            one = raw(
                cycle,
                process,
                of=processes,
                traces=requests,
                domains=[machine, gpu(draw(JOULES), f"GPU-{process}")],
                start_s=100.0 * cycle + draw(st.floats(0, 10)),
                duration_s=draw(st.floats(0.1, 10)),
            )
            parts.append(Part(one, requests))
    return parts


def aggregated(parts: Sequence[Part]) -> AggregatedResult:
    return aggregate(
        [part.raw for part in parts],
        {(part.raw.cycle, part.raw.process_index): part.traces for part in parts},
        planned_cycles=max(part.raw.cycle for part in parts),
        config={},
        provenance={},
        created_at=START,
        aggregated_at=START,
    )


@settings(max_examples=40)
@given(experiments())
def test_the_whole_is_the_sum_of_its_cycles(parts: list[Part]) -> None:
    whole = aggregated(parts)
    cycles = sorted({part.raw.cycle for part in parts})
    alone = [aggregated([p for p in parts if p.raw.cycle == cycle]) for cycle in cycles]
    counts = ("requests", "failed_requests", "input_tokens", "output_tokens", "total_tokens")
    for name in counts:
        parts_of = [getattr(one.metrics.inference, name) for one in alone]
        assert getattr(whole.metrics.inference, name) == sum(parts_of)
    assert whole.metrics.inference.duration_s == pytest.approx(
        sum(one.metrics.inference.duration_s for one in alone)
    )
    assert whole.metrics.energy.total_j == pytest.approx(
        sum(one.metrics.energy.total_j or 0.0 for one in alone)
    )
    for value, one in zip(whole.cycles.values, alone, strict=True):
        assert value.total_j == one.metrics.energy.total_j
        assert value.duration_s == one.metrics.inference.duration_s
        assert value.output_tokens == one.metrics.inference.output_tokens


@settings(max_examples=40)
@given(experiments(), st.randoms(use_true_random=False))
def test_the_order_of_the_parts_does_not_matter(parts: list[Part], rng: random.Random) -> None:
    shuffled = list(parts)
    rng.shuffle(shuffled)
    assert aggregated(shuffled) == aggregated(parts)


@settings(max_examples=40)
@given(experiments())
def test_ratios_are_of_sums(parts: list[Part]) -> None:
    metrics = aggregated(parts).metrics
    inference, energy = metrics.inference, metrics.energy
    assert energy.total_j is not None
    assert inference.output_tokens_per_s == inference.output_tokens / inference.duration_s
    assert inference.total_tokens_per_s == inference.total_tokens / inference.duration_s
    answered = inference.requests - inference.failed_requests
    for value, count in (
        (energy.j_per_output_token, inference.output_tokens),
        (energy.j_per_total_token, inference.total_tokens),
        (energy.j_per_request, answered),
    ):
        assert value == (energy.total_j / count if count else None)


@settings(max_examples=40)
@given(experiments())
def test_latency_is_that_of_all_requests_in_one_heap(parts: list[Part]) -> None:
    heap = [trace for part in parts for trace in part.traces]
    assert aggregated(parts).metrics.latency == latency_metrics(heap)


@settings(max_examples=40)
@given(experiments(max_processes=1), st.integers(2, 9))
def test_any_number_of_ranks_reports_the_machine_once(parts: list[Part], ranks: int) -> None:
    """Ranks that answer nothing but read the same sensors change no joule."""
    alone = aggregated(parts).metrics.energy
    many = [
        Part(part.raw.model_copy(update={"process_index": i, "process_count": ranks}), part.traces)
        for part in parts
        for i in range(ranks)
    ]
    together = aggregated(many).metrics.energy
    assert together.total_j == alone.total_j
    assert together.estimated_j == alone.estimated_j
    assert together.domains == alone.domains
    assert together.boundary == alone.boundary


@settings(max_examples=40)
@given(experiments(), st.data())
def test_what_is_missing_stays_missing(parts: list[Part], data: st.DataObject) -> None:
    """Losing a GPU in one process and cycle, told or not, leaves no total anywhere above it."""
    before = aggregated(parts)
    victim = data.draw(st.sampled_from(parts))
    told = data.draw(st.booleans())
    sensors = victim.raw.energy.domains
    kept = [sensors[0], gpu(None, sensors[1].device_id)] if told else [sensors[0]]
    changed = victim.raw.model_copy(
        update={"energy": victim.raw.energy.model_copy(update={"domains": tuple(kept)})}
    )
    lone_cycle = len({part.raw.cycle for part in parts}) == 1
    after = aggregated([Part(changed, p.traces) if p is victim else p for p in parts])
    energy = after.metrics.energy
    if lone_cycle and not told:
        # Never read and never announced: nothing says that there is such a sensor.
        return
    assert energy.total_j is energy.j_per_output_token is energy.j_per_request is None
    assert energy.reason
    assert after.validity.status == "invalid"
    assert before.metrics.energy.partial_j is not None
    assert energy.partial_j is not None
    assert energy.partial_j <= max(
        before.metrics.energy.partial_j, before.metrics.energy.estimated_j or 0.0
    ) * (1 + 1e-9)
    for value in after.cycles.values:
        untouched = value.cycle != victim.raw.cycle
        assert (value.total_j is not None) == untouched


@settings(max_examples=40)
@given(experiments(), st.data())
def test_leaving_out_a_reading_never_makes_a_token_cheaper(
    parts: list[Part], data: st.DataObject
) -> None:
    """Fail-closed: any subset of a machine's readings gives the same number, or none."""
    before = aggregated(parts).metrics.energy.j_per_output_token
    dropped = data.draw(st.sets(st.sampled_from(range(len(parts))), max_size=len(parts) - 1))
    silent = [
        Part(
            part.raw.model_copy(
                update={"energy": part.raw.energy.model_copy(update={"domains": ()})}
            ),
            part.traces,
        )
        if index in dropped
        else part
        for index, part in enumerate(parts)
    ]
    always_silent = {
        part.raw.process_index
        for part in parts
        if all(
            i in dropped
            for i, p in enumerate(parts)
            if p.raw.process_index == part.raw.process_index
        )
    }
    after = aggregated(silent).metrics.energy.j_per_output_token
    if not dropped:
        assert after == before
    elif not always_silent:
        assert after is None
