"""What of the energy is above idle: over the same domains and their own windows, or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from records import ESTIMATED, domain, gpu, raw, trace, window

from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod, DomainBaseline
from llenergymeasure.domain.energy import Uncertainty
from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
from llenergymeasure.domain.metrics import EnergyMetrics
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.results.aggregation import aggregate


def idle(
    power_w: float | None = 2.0, name: str = "cpu", device_id: str | None = None, **more: Any
) -> DomainBaseline:
    known: dict[str, Any] = {
        "name": name,
        "level": BaselineLevel.BARE,
        "method": BaselineMethod.UNAVAILABLE if power_w is None else BaselineMethod.FRESH,
        "device_id": device_id,
        "power_w": power_w,
        "spread_w": None if power_w is None else 0.1,
        "uncertainty_w": None if power_w is None else 0.0,
        "reason": "it was not read" if power_w is None else None,
    }
    return DomainBaseline(**{**known, **more})


def gpu_idle(power_w: float | None = 2.0, device_id: str = "GPU-1", **more: Any) -> DomainBaseline:
    return idle(power_w, "gpu", device_id, **more)


def aggregated(*raws: RawProcessResult) -> AggregatedResult:
    traces = {(r.cycle, r.process_index): [trace(0), trace(1)] for r in raws}
    return aggregate(
        raws,
        traces,
        planned_cycles=len({r.cycle for r in raws}),
        config={},
        provenance={},
        created_at=raws[0].created_at,
    )


def energy(*raws: RawProcessResult) -> EnergyMetrics:
    return aggregated(*raws).metrics.energy


def lacks(found: EnergyMetrics, *words: str) -> None:
    assert found.marginal_j is None
    assert found.marginal_uncertainty_j is None
    assert found.baseline_reason is not None
    for word in words:
        assert word in found.baseline_reason


def test_the_domains_own_window_counts_not_the_runs() -> None:
    reading = domain(100.0, window=window(duration_s=3.0))
    found = energy(raw(domains=[reading], baseline=(idle(10.0),), duration_s=2.0))
    assert found.total_j == 100.0
    assert found.marginal_j == 100.0 - 10.0 * 3.0
    assert found.baseline == (idle(10.0),)
    assert found.baseline_reason is None


def test_the_same_domains_as_the_total() -> None:
    found = energy(
        raw(
            domains=[
                gpu(100.0, window=window(duration_s=2.0)),
                domain(50.0, window=window(duration_s=4.0)),
                domain(500.0, "ram", method=ESTIMATED, window=window(duration_s=4.0)),
                domain(900.0, "psys", counted=False, window=window(duration_s=4.0)),
            ],
            baseline=(gpu_idle(20.0), idle(5.0), idle(None, "ram")),
        )
    )
    assert found.total_j == 150.0
    assert found.marginal_j == (100.0 - 20.0 * 2.0) + (50.0 - 5.0 * 4.0)


@pytest.mark.parametrize(
    ("baseline", "words"),
    [
        ((), "no idle baseline was measured"),
        ((gpu_idle(1.0),), "cpu: no idle baseline was measured"),
        ((gpu_idle(1.0), idle(None)), "cpu: it was not read"),
    ],
)
def test_one_domain_without_an_idle_power_leaves_no_sum(
    baseline: tuple[DomainBaseline, ...], words: str
) -> None:
    measured = [gpu(100.0, window=window()), domain(50.0, window=window())]
    found = energy(raw(domains=measured, baseline=baseline))
    assert found.total_j == 150.0
    lacks(found, words)
    assert found.baseline == (baseline or None)


def test_a_reading_without_a_window_leaves_no_sum() -> None:
    lacks(energy(raw(domains=[domain(5.0)], baseline=(idle(),))), "cpu: its window is not known")


def test_without_a_total_there_is_nothing_above_idle() -> None:
    measured = [gpu(100.0, window=window()), domain(None, window=window())]
    found = energy(raw(domains=measured, baseline=(gpu_idle(), idle())))
    assert found.partial_j == 100.0
    lacks(found, "there is no total")


def test_estimates_have_none() -> None:
    estimated = domain(50.0, method=ESTIMATED, window=window())
    not_applicable = idle(None, method=BaselineMethod.NOT_APPLICABLE, reason="estimated")
    lacks(energy(raw(domains=[estimated], baseline=(not_applicable,))), "estimated")


def test_replays_have_none() -> None:
    measured = domain(50.0, window=window())
    lacks(
        energy(raw(domains=[measured], baseline=(idle(),), energy={"replayed": True})), "replayed"
    )


def test_cycles_are_taken_one_by_one_and_added() -> None:
    result = aggregated(
        *(
            raw(
                cycle,
                domains=[domain(joules, window=window(duration_s=seconds))],
                baseline=(idle(watts),),
            )
            for cycle, (joules, seconds, watts) in enumerate([(100, 3, 10), (120, 4, 11)], start=1)
        )
    )
    assert [value.marginal_j for value in result.cycles.values] == [70.0, 76.0]
    assert result.metrics.energy.marginal_j == 146.0
    stats = result.cycles.stats.marginal_j
    assert stats is not None
    assert (stats.mean, stats.n) == (73.0, 2)
    # A resume takes its own baseline: both are kept.
    assert result.metrics.energy.baseline == (idle(10), idle(11))


def test_one_cycle_without_a_baseline_leaves_no_sum() -> None:
    result = aggregated(
        raw(1, domains=[domain(100.0, window=window())], baseline=(idle(),)),
        raw(2, domains=[domain(100.0, window=window())]),
    )
    lacks(result.metrics.energy, "cpu: no idle baseline was measured")
    assert [value.marginal_j for value in result.cycles.values] == [96.0, None]


def test_eight_ranks_read_one_machine_and_subtract_it_once() -> None:
    measured = domain(1000.0, window=window(duration_s=10.0))
    ranks = [raw(1, n, of=8, domains=[measured], baseline=(idle(30.0),)) for n in range(8)]
    assert energy(*ranks).marginal_j == 700.0


def test_each_device_is_taken_once_with_its_own_idle_power() -> None:
    def rank(number: int) -> RawProcessResult:
        readings = [
            gpu(100.0, device, name=f"gpu:{place}", window=window(duration_s=2.0))
            for place, device in enumerate(["GPU-a", "GPU-b"])
        ]
        baselines = (idle(10.0, "gpu:0", "GPU-a"), idle(15.0, "gpu:1", "GPU-b"))
        return raw(1, number, of=2, domains=readings, baseline=baselines)

    found = energy(rank(0), rank(1))
    assert found.total_j == 200.0
    assert found.marginal_j == 200.0 - 2 * (10.0 + 15.0)


def test_two_hosts_subtract_their_own() -> None:
    hosts = [
        raw(
            1,
            n,
            of=2,
            host=host,
            domains=[domain(100.0, window=window(duration_s=2.0))],
            baseline=(idle(watts),),
        )
        for n, (host, watts) in enumerate([("a", 10.0), ("b", 20.0)])
    ]
    assert energy(*hosts).marginal_j == 200.0 - 2 * 30.0


def test_a_rank_whose_baseline_failed_is_spoken_for_by_another() -> None:
    measured = domain(100.0, window=window(duration_s=2.0))
    ranks = [
        raw(1, 0, of=2, domains=[measured], baseline=(idle(None),)),
        raw(1, 1, of=2, domains=[measured], baseline=(idle(10.0),)),
    ]
    assert energy(*ranks).marginal_j == 80.0


def test_noise_below_zero_is_shown_as_it_is() -> None:
    reading = domain(19.0, window=window(duration_s=2.0), uncertainty_j=0.5)
    result = aggregated(raw(domains=[reading], baseline=(idle(10.0, uncertainty_w=1.0),)))
    assert result.metrics.energy.marginal_j == -1.0
    assert result.metrics.energy.marginal_uncertainty_j == pytest.approx(math.hypot(0.5, 2.0))
    assert not any(r.code is ReasonCode.BASELINE_UNSTEADY for r in result.validity.reasons)


def test_far_below_zero_is_no_number_and_a_note() -> None:
    reading = domain(10.0, window=window(duration_s=2.0), uncertainty_j=0.5)
    result = aggregated(raw(domains=[reading], baseline=(idle(10.0),)))
    (note,) = [r for r in result.validity.reasons if r.code is ReasonCode.BASELINE_UNSTEADY]
    assert "10.0 J less than idle power would have" in note.detail
    energy = result.metrics.energy
    assert energy.total_j == 10.0
    assert (energy.marginal_j, energy.marginal_uncertainty_j) == (None, None)
    assert energy.baseline_reason == note.detail
    assert result.cycles.values[0].marginal_j is None
    assert result.cycles.stats.marginal_j is None


@example(2.2250738585e-313, 0.0, 0.0)  # an uncertainty beyond all multiples of the joules
@given(st.floats(0, 1e6), st.floats(0, 1e4), st.floats(0, 1e3))
def test_what_is_shown_above_idle_is_never_surely_below_it(
    joules: float, idle_w: float, spread_w: float
) -> None:
    reading = domain(joules, window=window(duration_s=2.0), uncertainty_j=0.5)
    baseline = (idle(idle_w, uncertainty_w=spread_w),)
    found = energy(raw(domains=[reading], baseline=baseline))
    if found.marginal_j is None:
        assert joules < idle_w * 2.0
        assert found.baseline_reason
    else:
        assert found.marginal_uncertainty_j is not None
        assert found.marginal_j + found.marginal_uncertainty_j >= 0


def test_a_spread_over_some_of_the_cycles_is_not_that_of_all() -> None:
    sound = domain(100.0, window=window(duration_s=2.0), uncertainty_j=0.5)
    below = domain(1.0, window=window(10.0, 2.0), uncertainty_j=0.5)
    cycles = [
        raw(1, domains=[sound], baseline=(idle(10.0),)),
        raw(2, domains=[below], baseline=(idle(10.0),), start_s=10.0),
    ]
    result = aggregated(*cycles)
    assert [value.marginal_j for value in result.cycles.values] == [80.0, None]
    assert result.cycles.stats.marginal_j is None


def test_the_gain_counts_for_the_difference_alone() -> None:
    parts = Uncertainty(edge_j=3.0, gain_j=50.0)
    reading = gpu(
        1000.0,
        window=window(duration_s=10.0),
        uncertainty_j=math.hypot(3.0, 50.0),
        uncertainty=parts,
    )
    found = energy(raw(domains=[reading], baseline=(gpu_idle(60.0, uncertainty_w=0.4),)))
    assert found.marginal_j == 400.0
    # Edge, the gain's 5 % of 400 J, and 0.4 W over 10 s.
    assert found.marginal_uncertainty_j == pytest.approx(math.hypot(3.0, 20.0, 4.0))


@pytest.mark.parametrize(
    ("reading", "baseline"),
    [({}, {"uncertainty_w": 0.1}), ({"uncertainty_j": 1.0}, {"uncertainty_w": None})],
)
def test_what_is_not_known_leaves_no_interval(
    reading: dict[str, Any], baseline: dict[str, Any]
) -> None:
    measured = domain(100.0, window=window(), **reading)
    found = energy(raw(domains=[measured], baseline=(idle(10.0, **baseline),)))
    assert found.marginal_j == 80.0
    assert found.marginal_uncertainty_j is None


def test_intervals_add_up() -> None:
    raws = [
        raw(c, domains=[domain(9.0, window=window(), uncertainty_j=0.25)], baseline=(idle(2.0),))
        for c in (1, 2)
    ]
    assert energy(*raws).marginal_uncertainty_j == 0.5


WATTS = st.floats(0, 500)


@example([(0.0, 2.220446049250313e-16, 1.0), (1.0, 1.0, 2.0)])  # below idle by a rounding
@given(st.lists(st.tuples(WATTS, WATTS, st.floats(0.1, 100)), min_size=1, max_size=6))
def test_marginal_and_idle_are_the_total(devices: Sequence[tuple[float, float, float]]) -> None:
    names = [f"GPU-{n}" for n in range(len(devices))]
    readings = [
        gpu(watts * seconds, name, name=f"gpu:{n}", window=window(duration_s=seconds))
        for n, (name, (watts, _, seconds)) in enumerate(zip(names, devices, strict=True))
    ]
    baselines = tuple(
        idle(idle_w, f"gpu:{n}", name)
        for n, (name, (_, idle_w, _)) in enumerate(zip(names, devices, strict=True))
    )
    work_s = min(seconds for _, _, seconds in devices)
    found = energy(raw(domains=readings, baseline=baselines, duration_s=work_s))
    assert found.total_j is not None
    idle_j = sum(idle_w * seconds for _, idle_w, seconds in devices)
    if found.marginal_j is None:
        assert idle_j > found.total_j
        return
    assert found.marginal_j + idle_j == pytest.approx(found.total_j, rel=1e-9, abs=1e-6)
