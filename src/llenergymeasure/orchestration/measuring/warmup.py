"""Warming up: the engine answers requests, unmeasured, before the window.

    batch | batch | batch | ...  until the last times vary little, then until temperatures stand

Each iteration is one batch of the longest prompts: always the same work, so that times compare,
and the most memory that the run will ask for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.run_models import WarmupConfig
from llenergymeasure.core.energy_backends.base import EnergyBackend
from llenergymeasure.core.energy_backends.supervised import temperatures_of
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.domain.convergence import has_converged, temperatures_steady, variation
from llenergymeasure.domain.experiment import WarmupInfo, WarmupMode
from llenergymeasure.domain.prompt import Prompt, SyntheticPrompt
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace
from llenergymeasure.orchestration.events import EventWriter
from llenergymeasure.orchestration.measuring.requests import check_lengths, requests_of

# A short iteration at a hot device goes on for long; its times need not all be kept.
_TIMES_KEPT = 1000


def warm_up(
    backend: InferenceBackend,
    energy: EnergyBackend,
    config: ExperimentConfig,
    texts: Sequence[Prompt],
    events: EventWriter,
    clock: Callable[[], int] = time.monotonic_ns,
) -> WarmupInfo:
    """Warm up as the config says.

    Args:
        backend: A loaded engine.
        energy: A prepared source; its temperatures are watched if it has any.
        config: Of the experiment.
        texts: Its prompts.
        events: Where progress is told.
        clock: Nanoseconds; a virtual one in tests.
    """
    warming = _Warming(backend, energy, events, clock)
    if config.warmup.converging:
        events.phase("warm-up")
        return warming.until_steady(
            config.warmup, longest_first(config, texts), _batch_size(config)
        )
    # Again from the first prompt on if there are too few.
    chosen = [texts[i % len(texts)] for i in range(config.warmup.fixed_prompts)]
    events.phase("warm-up", total=len(chosen))
    return warming.fixed(requests_of(config, chosen))


def longest_first(config: ExperimentConfig, texts: Sequence[Prompt]) -> list[InferenceRequest]:
    """The requests of an experiment, those with the longest prompts first."""
    requests = requests_of(config, texts)
    order = sorted(range(len(texts)), key=lambda i: _length(texts[i]), reverse=True)
    return [requests[i] for i in order]


def _length(prompt: Prompt) -> tuple[int, int]:
    """Of a synthetic prompt in tokens, of any other in characters; never mixed in one source."""
    if isinstance(prompt, SyntheticPrompt):
        return prompt.input_tokens, prompt.output_tokens or 0
    return len(prompt if isinstance(prompt, str) else prompt.text), 0


def _batch_size(config: ExperimentConfig) -> int:
    return int(getattr(config.backend_options, "batch_size", 1))


class _Warming:
    """One warm-up: what was answered so far, how long each iteration took, how hot it got."""

    def __init__(
        self,
        backend: InferenceBackend,
        energy: EnergyBackend,
        events: EventWriter,
        clock: Callable[[], int],
    ) -> None:
        self._backend = backend
        self._energy = energy
        self._events = events
        self._clock = clock
        self._begin_ns = clock()
        self._prompts = 0
        self._iterations = 0
        self._times_ms: list[float] = []
        self._track: list[tuple[float, Mapping[str, float]]] = []

    def fixed(self, requests: Sequence[InferenceRequest]) -> WarmupInfo:
        """Answer these requests once."""
        if not requests:
            return self._info(WarmupMode.OFF)
        self._look_at_temperatures()
        traces, _ = self._answer(requests)
        self._look_at_temperatures()
        batches = dict.fromkeys((t.dispatch_ns, t.return_ns) for t in traces)
        self._iterations = len(batches)
        self._times_ms = [(end - start) / 1e6 for start, end in batches]
        latencies = tuple((t.return_ns - t.dispatch_ns) / 1e6 for t in traces if not t.failed)
        return self._info(WarmupMode.FIXED, latencies_ms=latencies)

    def until_steady(
        self, settings: WarmupConfig, candidates: list[InferenceRequest], batch_size: int
    ) -> WarmupInfo:
        """Repeat one batch until its times converge and temperatures stand, or a cap is met."""
        window = settings.window_size
        ever = warm = False
        steady: bool | None = None
        self._look_at_temperatures()
        while candidates:
            took_ms = self._iterate(candidates, batch_size)
            warm = has_converged(
                self._times_ms, window=window, least=settings.least, threshold=settings.cv_threshold
            )
            ever = ever or warm
            steady = temperatures_steady(self._track, window)
            if warm and (steady or not self._track[-1][1]):
                break
            if not ever and self._iterations >= settings.max_prompts:
                break
            # Once times have converged only time bounds the wait for the temperature: quick
            # batches would reach any number of them before a GPU is warm.
            if self._elapsed_s() + took_ms / 1e3 > settings.max_duration_s:
                break
        hot = not self._track[-1][1] or bool(steady)
        return self._info(
            WarmupMode.CONVERGED if warm and hot else WarmupMode.CAPPED,
            final_cv=variation(self._times_ms, window),
            target_cv=settings.cv_threshold,
            converged=warm,
            temperature_steady=steady,
        )

    def _iterate(self, candidates: list[InferenceRequest], batch_size: int) -> float:
        """Answer one batch; requests that fail leave ``candidates``. Returns its time in ms."""
        batch = candidates[:batch_size]
        traces, took_ms = self._answer(batch)
        self._iterations += 1
        failed = {trace.request_id for trace in traces if trace.failed}
        if failed:
            # The next batch is another one, so times begin anew.
            candidates[:] = [r for r in candidates if r.request_id not in failed]
            self._times_ms.clear()
        else:
            self._times_ms.append(took_ms)
        self._look_at_temperatures()
        return took_ms

    def _answer(self, requests: Sequence[InferenceRequest]) -> tuple[list[RequestTrace], float]:
        """Answer requests; their traces and how long all of them took, in ms."""
        begin_ns = self._clock()
        traces: list[RequestTrace] = []
        for trace in self._backend.generate(requests):
            self._events.answered(len(trace.output_token_ids))
            traces.append(trace)
        self._backend.synchronize()
        took_ms = (self._clock() - begin_ns) / 1e6
        check_lengths(requests, traces)
        self._prompts += len(traces)
        return traces, took_ms

    def _look_at_temperatures(self) -> None:
        self._track.append((self._elapsed_s(), temperatures_of(self._energy)))

    def _elapsed_s(self) -> float:
        return (self._clock() - self._begin_ns) / 1e9

    def _info(self, mode: WarmupMode, **more: object) -> WarmupInfo:
        found = {
            "prompts": self._prompts,
            "duration_s": self._elapsed_s(),
            "mode": mode,
            "iterations": self._iterations,
            "iteration_times_ms": tuple(self._times_ms[-_TIMES_KEPT:]),
            "temperatures_start_c": dict(self._track[0][1]) if self._track else {},
            "temperatures_end_c": dict(self._track[-1][1]) if self._track else {},
        }
        return WarmupInfo.model_validate({**found, **more})
