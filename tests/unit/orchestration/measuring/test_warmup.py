"""Warming up, on a clock of its own: a batch takes what the script says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import pytest

from llenergymeasure.config.backend_configs import EchoConfig
from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.core.energy_backends.none import NoEnergyBackend
from llenergymeasure.core.inference_backends.echo import EchoBackend
from llenergymeasure.domain.experiment import WarmupInfo, WarmupMode
from llenergymeasure.domain.prompt import SyntheticPrompt
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace
from llenergymeasure.orchestration.measuring.warmup import longest_first, warm_up

TEXTS = ["a b", "a b c d", "a b c", "a"]


def config(batch_size: int = 2, **warmup: Any) -> ExperimentConfig:
    return config_model("echo").model_validate(
        {
            "config_name": "c",
            "model_name": "m",
            "backend": "echo",
            "max_output_tokens": 2,
            "warmup": warmup,
            "echo": {"batch_size": batch_size},
        }
    )


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


class Engine:
    """Takes the scripted seconds a call; answers what it is asked, or fails some ids."""

    def __init__(self, clock: Clock, seconds: Iterator[float], fails: Sequence[int] = ()) -> None:
        self.clock = clock
        self.seconds = seconds
        self.fails = fails
        self.calls: list[list[int]] = []

    def generate(self, requests: Sequence[InferenceRequest]) -> Iterator[RequestTrace]:
        self.calls.append([r.request_id for r in requests])
        begin = self.clock.ns
        self.clock.ns += round(next(self.seconds) * 1e9)
        for request in requests:
            error = "scripted" if request.request_id in self.fails else None
            yield RequestTrace(request.request_id, 3, (1, 2), begin, self.clock.ns, error=error)

    def synchronize(self) -> None: ...


class Events:
    def __init__(self) -> None:
        self.answers = 0
        self.phases: list[tuple[str, int]] = []

    def answered(self, output_tokens: int) -> None:
        self.answers += 1

    def phase(self, name: str, *, cycle: int | None = None, total: int = 0) -> None:
        self.phases.append((name, total))


class Thermometer(NoEnergyBackend):
    def __init__(self, read: Callable[[], Mapping[str, float]]) -> None:
        super().__init__()
        self.temperatures_c = read


def run(
    seconds: Sequence[float],
    *,
    fails: Sequence[int] = (),
    read: Callable[[Clock], float] | None = None,
    batch_size: int = 2,
    **warmup: Any,
) -> tuple[WarmupInfo, Engine]:
    """Warm up; after the scripted seconds the last of them goes on for ever."""
    clock = Clock()
    script = iter([*seconds, *[seconds[-1]] * 100_000])
    engine: Any = Engine(clock, script, fails)
    energy = NoEnergyBackend()
    if read is not None:
        energy = Thermometer(lambda: {"gpu:0": read(clock)})
    events: Any = Events()
    info = warm_up(engine, energy, config(batch_size, **warmup), TEXTS, events, clock)
    assert events.answers == info.prompts
    return info, engine


def test_a_cold_start_is_waited_out() -> None:
    info, engine = run([3.0, 2.0, 1.0])
    assert (info.mode, info.converged) == (WarmupMode.CONVERGED, True)
    assert (info.iterations, info.prompts, info.duration_s) == (7, 14, 10.0)
    assert info.iteration_times_ms == (3000.0, 2000.0, *[1000.0] * 5)
    assert (info.final_cv, info.target_cv) == (0.0, 0.05)
    assert info.latencies_ms == ()
    assert info.temperature_steady is None
    assert len({tuple(call) for call in engine.calls}) == 1, "always the same batch"


def test_the_longest_prompts_are_the_batch() -> None:
    _, engine = run([1.0])
    assert engine.calls[0] == [1, 2]
    _, engine = run([1.0], batch_size=9)
    assert engine.calls[0] == [1, 2, 0, 3]


def test_the_longest_synthetic_prompts_are_the_batch() -> None:
    texts = [
        SyntheticPrompt("x", 5, 9),
        SyntheticPrompt("xxxx", 7, None),
        SyntheticPrompt("x", 7, 3),
    ]
    assert [r.request_id for r in longest_first(config(), texts)] == [2, 1, 0]


def test_at_least_so_many() -> None:
    info, _ = run([1.0], min_prompts=12)
    assert info.iterations == 12
    info, _ = run([1.0], window_size=9)
    assert info.iterations == 9


def test_times_that_never_settle_meet_the_cap() -> None:
    info, _ = run([1.0, 2.0] * 30)
    assert (info.mode, info.converged, info.iterations) == (WarmupMode.CAPPED, False, 50)
    assert info.final_cv == pytest.approx(0.3423, abs=1e-4)


def test_a_wider_threshold_is_met() -> None:
    info, _ = run([1.0, 2.0] * 30, cv_threshold=0.5)
    assert (info.mode, info.iterations) == (WarmupMode.CONVERGED, 5)


def test_time_is_a_cap_and_not_overrun() -> None:
    info, _ = run([30.0], max_duration_s=100.0)
    assert (info.mode, info.iterations, info.duration_s) == (WarmupMode.CAPPED, 3, 90.0)
    assert (info.converged, info.final_cv) == (False, None)
    info, _ = run([500.0], max_duration_s=100.0)
    assert info.iterations == 1, "there is always one"


def test_a_fixed_number_does_not_look_at_times() -> None:
    info, engine = run([1.0, 5.0], prompts=5)
    assert engine.calls == [[0, 1, 2, 3, 4]], "the first prompts, and again from the first"
    assert (info.mode, info.prompts, info.iterations) == (WarmupMode.FIXED, 5, 1)
    assert info.latencies_ms == (1000.0,) * 5
    assert (info.converged, info.final_cv) == (None, None)


@pytest.mark.parametrize("warmup", [{"prompts": 0}, {"enabled": False}])
def test_none(warmup: dict[str, Any]) -> None:
    info, engine = run([1.0], **warmup)
    assert (info.mode, info.prompts, engine.calls) == (WarmupMode.OFF, 0, [])


def test_a_request_that_fails_leaves_the_batch() -> None:
    info, engine = run([1.0], fails=[1])
    assert engine.calls == [[1, 2], *[[2, 0]] * 5]
    assert (info.converged, info.iterations) == (True, 6)
    assert len(info.iteration_times_ms) == 5, "the time of another batch does not compare"


def test_requests_that_all_fail_end_it() -> None:
    info, engine = run([1.0], fails=[0, 1, 2, 3])
    assert engine.calls == [[1, 2], [0, 3]]
    assert (info.mode, info.converged, info.final_cv) == (WarmupMode.CAPPED, False, None)


def test_a_temperature_is_waited_for() -> None:
    info, _ = run([0.5], read=lambda clock: min(70.0, 40.0 + clock.ns / 1e9))
    assert (info.mode, info.temperature_steady) == (WarmupMode.CONVERGED, True)
    # Steady once it had changed by no more than 1 degree within 10 s.
    assert 39.0 <= info.duration_s <= 40.5
    assert info.iterations > 50, "only time bounds the wait for the temperature"
    assert (info.temperatures_start_c, info.temperatures_end_c) == ({"gpu:0": 40}, {"gpu:0": 70})


def test_a_temperature_that_rises_on_meets_the_cap() -> None:
    info, _ = run([0.5], read=lambda clock: 40.0 + clock.ns / 1e9, max_duration_s=30.0)
    assert (info.mode, info.converged, info.temperature_steady) == (WarmupMode.CAPPED, True, False)
    assert info.duration_s == 30.0


def test_a_steady_temperature_needs_ten_seconds() -> None:
    info, _ = run([0.5], read=lambda clock: 40.0)
    assert (info.mode, info.duration_s) == (WarmupMode.CONVERGED, 10.0)


def test_too_little_time_to_see_the_temperature() -> None:
    info, _ = run([0.5], read=lambda clock: 40.0, max_duration_s=5.0)
    assert (info.mode, info.converged, info.temperature_steady) == (WarmupMode.CAPPED, True, None)


def test_a_thermometer_that_fails_is_none() -> None:
    def broken(clock: Clock) -> float:
        raise OSError("no sensor")

    info, _ = run([1.0], read=broken)
    assert (info.mode, info.temperatures_end_c) == (WarmupMode.CONVERGED, {})


def test_only_the_last_times_are_kept() -> None:
    info, _ = run([0.001], read=lambda clock: 40.0)
    assert info.iterations == 10_000
    assert len(info.iteration_times_ms) == 1000


def test_the_echo_engine_starts_cold_as_scripted() -> None:
    told = config(slow := 1, max_prompts=20)
    options = EchoConfig(batch_size=slow, slow_calls_s=(0.2, 0.1), prefill_s=0.02)
    engine = EchoBackend(told.model_copy(update={"echo": options}))
    engine.load()
    events: Any = Events()
    info = warm_up(engine, NoEnergyBackend(), told, TEXTS, events)
    first, second, *others = info.iteration_times_ms
    assert first >= 220
    assert second >= 120
    # A busy machine may make one of the others late; most are as scripted.
    assert sorted(others)[len(others) // 2] < 60


def test_phases_are_told() -> None:
    clock, events = Clock(), Events()
    for warmup in ({}, {"prompts": 3}):
        engine: Any = Engine(clock, cycle([1.0]))
        told: Any = events
        warm_up(engine, NoEnergyBackend(), config(**warmup), TEXTS, told, clock)
    assert events.phases == [("warm-up", 0), ("warm-up", 3)]
