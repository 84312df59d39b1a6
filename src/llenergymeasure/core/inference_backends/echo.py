"""The echo backend: an engine without a model, whose every delay, length and failure is scripted.

    dispatch --prefill_s--> token 1 --per_token_s--> token 2 ... --per_token_s--> batch returns

It answers a prompt with its own words, repeated, and ends with ``EOS_ID`` if it was told to stop
before the limit.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from zlib import crc32

from llenergymeasure.config.backend_configs import EchoConfig
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.core.inference_backends.shared import finish_reason, static_batches
from llenergymeasure.domain.metrics import ComputeMetrics
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace
from llenergymeasure.exceptions import BackendError

EOS_ID = 0
_EOS_IDS = frozenset({EOS_ID})


class EchoBackend:
    """Plays the script in ``EchoConfig``; see ``InferenceBackend`` for the life cycle."""

    def __init__(self, config: ExperimentConfig) -> None:
        options = config.backend_options
        assert isinstance(options, EchoConfig)
        self._model_name = config.model_name
        self._script = options
        self._loaded = False
        self._answered = 0
        self._calls = 0

    def load(self) -> None:
        """Wait ``load_s``; fail if the script says so."""
        time.sleep(self._script.load_s)
        if self._script.fail_load:
            raise BackendError("echo fails to load, as scripted", hint="unset echo.fail_load")
        self._loaded = True

    def describe(self) -> ModelInfo:
        """The name that was asked for; there is no model behind it."""
        self._require_loaded()
        return ModelInfo(
            name=self._model_name,
            eos_token_ids=(EOS_ID,),
            engine_version=version("llenergymeasure"),
            details={"engine": "echo: scripted, no model"},
        )

    def generate(self, requests: Sequence[InferenceRequest]) -> Iterator[RequestTrace]:
        """Answer in static batches, in the rhythm of the script."""
        self._require_loaded()
        if self._script.fail_generate:
            raise BackendError("echo fails to generate, as scripted")
        return self._traces(requests)

    def _traces(self, requests: Sequence[InferenceRequest]) -> Iterator[RequestTrace]:
        self._die_if_due()
        self._be_slow()
        for batch in static_batches(requests, self._script.batch_size):
            for trace in self._answer(batch):
                yield trace
                self._answered += 1
                self._die_if_due()

    def _be_slow(self) -> None:
        if self._calls < len(self._script.slow_calls_s):
            time.sleep(self._script.slow_calls_s[self._calls])
        self._calls += 1

    def _die_if_due(self) -> None:
        if self._answered == self._script.die_after_requests:
            os.kill(os.getpid(), signal.SIGKILL)

    def _answer(self, batch: list[InferenceRequest]) -> list[RequestTrace]:
        dispatch_ns = time.monotonic_ns()
        outputs = [self._output(request) for request in batch]
        times = self._play(max(len(output) for output in outputs))
        return_ns = time.monotonic_ns()
        return [
            self._trace(request, output, dispatch_ns, return_ns, times)
            for request, output in zip(batch, outputs, strict=True)
        ]

    def _play(self, steps: int) -> list[int]:
        """Sleep through a batch of so many steps; the time of each step's end."""
        times: list[int] = []
        time.sleep(self._script.prefill_s)
        for step in range(steps):
            if step:
                time.sleep(self._script.per_token_s)
            times.append(time.monotonic_ns())
        return times

    def _output(self, request: InferenceRequest) -> tuple[int, ...]:
        if request.request_id in self._script.fail_requests:
            return ()
        limit = request.max_output_tokens
        lengths = self._script.output_tokens
        wanted = limit if lengths is None else lengths[request.request_id % len(lengths)]
        words = _keep_words(request) or ["nothing"]
        length = min(limit, max(wanted, request.min_output_tokens))
        ids = [_token_id(words[position % len(words)]) for position in range(length)]
        return tuple([*ids, EOS_ID] if length < limit else ids)

    def _trace(
        self,
        request: InferenceRequest,
        output: tuple[int, ...],
        dispatch_ns: int,
        return_ns: int,
        times: list[int],
    ) -> RequestTrace:
        kept = len(_keep_words(request))
        failed = request.request_id in self._script.fail_requests
        timed = self._script.streaming and not failed
        return RequestTrace(
            request_id=request.request_id,
            prompt_tokens=kept,
            output_token_ids=output,
            dispatch_ns=dispatch_ns,
            return_ns=return_ns,
            token_times_ns=tuple(times[: len(output)]) if timed else None,
            truncated_prompt_tokens=len(request.prompt.split()) - kept,
            finish_reason=None if failed else finish_reason(output, _EOS_IDS),
            error="failed, as scripted" if failed else None,
        )

    def synchronize(self) -> None:
        """Nothing runs behind the caller's back."""

    def compute_metrics(self) -> ComputeMetrics:
        """Unknown, with the reason: there is no model."""
        return ComputeMetrics(flops_reason="the echo backend has no model")

    def close(self) -> None:
        """Forget that it was loaded."""
        self._loaded = False

    def _require_loaded(self) -> None:
        if not self._loaded:
            raise BackendError("the echo backend is used before load() or after close()")


def _keep_words(request: InferenceRequest) -> list[str]:
    return request.prompt.split()[: request.max_input_tokens]


def _token_id(word: str) -> int:
    # Never EOS_ID, and the same in every process, unlike hash().
    return 1 + crc32(word.encode()) % 50_000
