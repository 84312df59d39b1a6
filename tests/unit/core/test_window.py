from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import pytest

from llenergymeasure.config.backend_configs import CurveSegment, ReplayConfig
from llenergymeasure.core.energy_backends.none import NoEnergyBackend
from llenergymeasure.core.energy_backends.replay.backend import ReplayBackend
from llenergymeasure.core.window import measure_window
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.domain.metrics import ComputeMetrics
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace

REQUESTS = [InferenceRequest(request_id=i, prompt="a b", max_output_tokens=2) for i in range(3)]


class Recorder:
    """An engine that writes down what is asked of it, and when."""

    def __init__(self, log: list[str], fail: BaseException | None = None) -> None:
        self.log = log
        self.fail = fail

    def load(self) -> None:
        raise AssertionError("loading lies outside of the window")

    def describe(self) -> ModelInfo:
        raise AssertionError("describing lies outside of the window")

    def compute_metrics(self) -> ComputeMetrics:
        raise AssertionError("this lies outside of the window")

    def close(self) -> None:
        raise AssertionError("closing lies outside of the window")

    def generate(self, requests: Sequence[InferenceRequest]) -> Iterable[RequestTrace]:
        for request in requests:
            self.log.append(f"generate {request.request_id}")
            now_ns = time.monotonic_ns()
            time.sleep(0.01)
            yield RequestTrace(
                request_id=request.request_id,
                prompt_tokens=2,
                output_token_ids=(1, 2),
                dispatch_ns=now_ns,
                return_ns=time.monotonic_ns(),
            )
            if self.fail is not None:
                raise self.fail

    def synchronize(self) -> None:
        self.log.append("synchronize")


class LoggedEnergy(ReplayBackend):
    def __init__(self, log: list[str]) -> None:
        super().__init__(ReplayConfig(curve=CurveSegment(power_w=100.0)))
        self.log = log
        self.fail_stop = False
        self.prepare()

    def start(self) -> None:
        super().start()
        self.log.append("energy on")

    def stop(self) -> EnergyReading:
        reading = super().stop()
        self.log.append("energy off")
        if self.fail_stop:
            raise RuntimeError("the meter broke as well")
        return reading


def test_the_window_holds_the_inference_and_nothing_else() -> None:
    log: list[str] = []
    outcome = measure_window(
        Recorder(log),
        LoggedEnergy(log),
        REQUESTS,
        on_trace=lambda trace: log.append(f"told {trace.request_id}"),
    )

    assert log == [
        "synchronize",
        "energy on",
        *[step for i in range(3) for step in (f"generate {i}", f"told {i}")],
        "synchronize",
        "energy off",
    ]
    assert [trace.request_id for trace in outcome.traces] == [0, 1, 2]


def test_times_and_joules_fit_together() -> None:
    outcome = measure_window(Recorder([]), LoggedEnergy([]), REQUESTS)
    window, traces = outcome.window, outcome.traces
    energy_window = outcome.reading.domains[0].window
    assert energy_window is not None

    assert window.start_monotonic_ns <= traces[0].dispatch_ns
    assert traces[-1].return_ns <= window.end_monotonic_ns
    assert energy_window.start_monotonic_ns <= window.start_monotonic_ns
    assert window.end_monotonic_ns <= energy_window.end_monotonic_ns
    assert window.duration_s == pytest.approx(
        (window.end_monotonic_ns - window.start_monotonic_ns) / 1e9
    )
    assert window.duration_s >= 0.03
    # The joules are those of the inference, give or take the two calls' own time.
    assert outcome.reading.domains[0].joules == pytest.approx(
        100 * window.duration_s, abs=100 * 0.02
    )
    assert outcome.load.interval_s >= window.duration_s


@pytest.mark.parametrize("stop_fails", [False, True])
@pytest.mark.parametrize("error", [RuntimeError("the engine broke"), KeyboardInterrupt()])
def test_the_source_is_stopped_when_the_engine_breaks(
    error: BaseException, stop_fails: bool
) -> None:
    log: list[str] = []
    energy = LoggedEnergy(log)
    energy.fail_stop = stop_fails

    with pytest.raises(type(error)) as caught:
        measure_window(Recorder(log, fail=error), energy, REQUESTS)

    assert caught.value is error
    assert log[-1] == "energy off"
    energy.fail_stop = False
    assert measure_window(Recorder([]), energy, REQUESTS).reading.domains[0].joules is not None


def test_a_source_that_breaks_costs_no_finished_work(caplog: pytest.LogCaptureFixture) -> None:
    energy = LoggedEnergy([])
    energy.fail_stop = True
    outcome = measure_window(Recorder([]), energy, REQUESTS, source="broken")
    assert len(outcome.traces) == 3
    assert outcome.reading.backend == "broken"
    (domain,) = outcome.reading.domains
    assert (domain.joules, domain.expected) == (None, True)
    assert domain.reason == "broken failed to stop: RuntimeError: the meter broke as well"
    assert "failed to stop" in caplog.text


def test_an_error_of_the_listener_ends_the_window_too() -> None:
    log: list[str] = []

    def refuse(trace: RequestTrace) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        measure_window(Recorder(log), LoggedEnergy(log), REQUESTS, on_trace=refuse)
    assert log[-1] == "energy off"


def test_what_was_sampled_is_handed_on() -> None:
    outcome = measure_window(Recorder([]), LoggedEnergy([]), REQUESTS)
    power, energy = outcome.samples
    assert set(power.values) == {100.0}
    assert energy.values[-1] == pytest.approx(outcome.reading.domains[0].joules)
    assert measure_window(Recorder([]), NoEnergyBackend(), REQUESTS).samples == ()


def test_samples_that_fail_cost_no_joules(caplog: pytest.LogCaptureFixture) -> None:
    energy = LoggedEnergy([])
    energy.samples = lambda: 1 / 0  # type: ignore[method-assign]
    outcome = measure_window(Recorder([]), energy, REQUESTS)
    assert outcome.samples == ()
    assert outcome.reading.domains[0].joules is not None
    assert "kept no samples" in caplog.text
