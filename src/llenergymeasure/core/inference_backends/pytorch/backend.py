"""The PyTorch backend: transformers' own ``generate`` on static, left-padded batches.

    dispatch_ns | tokenise, pad, copy | generate | synchronise, copy back | return_ns

The caller sees a batch's answers when the whole batch has returned, so all its requests share
both times and there are no token times.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llenergymeasure.config.backend_configs import PyTorchConfig
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.core.dummy_model import load_dummy_model
from llenergymeasure.core.inference_backends.pytorch import runtime
from llenergymeasure.core.inference_backends.pytorch.batch_effect import find_batch_effect
from llenergymeasure.core.inference_backends.pytorch.decoding import (
    end_of_sequence_ids,
    forget_checkpoint_decoding,
    generation_config,
)
from llenergymeasure.core.inference_backends.pytorch.fit import Limits, check_room, refuse_unfit
from llenergymeasure.core.inference_backends.pytorch.tokenising import (
    Tokenised,
    chat_template_digest,
    prompt_texts,
    tokenise_requests,
)
from llenergymeasure.core.inference_backends.shared import (
    cut_after_eos,
    finish_reason,
    static_batches,
)
from llenergymeasure.core.model_limits import known_ids, max_positions
from llenergymeasure.core.model_loader import LoadedModel, LocatedModel, load_model, locate_model
from llenergymeasure.core.model_weights import name_some
from llenergymeasure.domain.metrics import ComputeMetrics
from llenergymeasure.domain.model_info import BATCH_EFFECT, UNUSED_WEIGHTS, BatchEffect, ModelInfo
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace
from llenergymeasure.exceptions import BackendError

_log = logging.getLogger(__name__)

# What one batch can fail with while the engine stays sound: shapes, lengths, memory.
_BATCH_ERRORS = (RuntimeError, ValueError, IndexError, MemoryError)


@dataclass(frozen=True)
class _Ready:
    """All that exists only between ``load`` and ``close``."""

    located: LocatedModel
    loaded: LoadedModel
    device: Any
    eos_ids: frozenset[int]
    limits: Limits
    batch_effect: BatchEffect | None


class PyTorchBackend:
    """Hugging Face transformers; see ``InferenceBackend`` for the life cycle."""

    def __init__(self, config: ExperimentConfig) -> None:
        options = config.backend_options
        assert isinstance(options, PyTorchConfig)
        self._config = config
        self._batch_size = options.batch_size
        self._ready: _Ready | None = None

    def prepare_device(self) -> None:
        """Make the device's context without a model.

        Raises:
            ConfigurationError: The device is not there.
        """
        runtime.make_context(runtime.choose_device(self._config.device))

    def load(self) -> None:
        """Find the model, load it onto the device, and check that the lengths fit it.

        Raises:
            ModelNotFoundError, HubUnreachableError, ConfigurationError, BackendError
        """
        device = runtime.choose_device(self._config.device)
        dummy = self._config.load_format == "dummy"
        trusted = self._config.trust_remote_code
        located = locate_model(
            self._config.model_name, self._config.revision, weights=not dummy, code=trusted
        )
        dtype = self._dtype_on(device)
        loaded = (
            load_dummy_model(
                located.path, dtype, device, self._config.seed, trust_remote_code=trusted
            )
            if dummy
            else load_model(located.path, dtype, device, trust_remote_code=trusted)
        )
        eos_ids = end_of_sequence_ids(loaded)
        forget_checkpoint_decoding(loaded, eos_ids)
        positions = max_positions(loaded.model.config)
        check_room(self._config, positions)
        effect = find_batch_effect(loaded, eos_ids, positions) if self._batch_size > 1 else None
        limits = Limits(positions, known_ids(loaded.model))
        self._ready = _Ready(located, loaded, device, frozenset(eos_ids), limits, effect)

    def _dtype_on(self, device: Any) -> str:
        if self._config.dtype == "auto" and device.type == "cpu":
            return "float32"
        return self._config.dtype

    def describe(self) -> ModelInfo:
        """The loaded model and the libraries that run it."""
        ready = self._require_ready()
        model = ready.loaded.model
        return ModelInfo(
            name=self._config.model_name,
            path=str(ready.located.path),
            revision=ready.located.revision,
            parameters=model.num_parameters(),
            dtype=str(model.dtype).removeprefix("torch."),
            device=str(model.device),
            eos_token_ids=tuple(sorted(ready.eos_ids)),
            engine_version=runtime.transformers_version(),
            threads=runtime.cpu_threads(),
            details=runtime.library_details(ready.device)
            | {
                "architecture": type(model).__name__,
                "load_format": self._config.load_format,
                "trust_remote_code": str(self._config.trust_remote_code).lower(),
                "chat_template": chat_template_digest(ready.loaded.tokenizer),
                "attention": str(model.config._attn_implementation),
                "max_positions": str(ready.limits.positions),
            }
            | self._doubts(ready),
        )

    @staticmethod
    def _doubts(ready: _Ready) -> dict[str, str]:
        """What a reader of the result has to know of this model."""
        unused = ready.loaded.unused_weights
        found = {BATCH_EFFECT: str(ready.batch_effect)} if ready.batch_effect else {}
        return found | ({UNUSED_WEIGHTS: f"{len(unused)}: {name_some(unused)}"} if unused else {})

    def generate(self, requests: Sequence[InferenceRequest]) -> Iterator[RequestTrace]:
        """Answer in static batches, in the order of the requests.

        Random generators are seeded at the start, so that each call repeats exactly.
        """
        ready = self._require_ready()
        return self._traces(ready, requests)

    def _traces(
        self, ready: _Ready, requests: Sequence[InferenceRequest]
    ) -> Iterator[RequestTrace]:
        runtime.seed_everything(self._config.seed)
        runtime.reset_peak_memory(ready.device)
        for batch in static_batches(requests, self._batch_size):
            yield from self._answer(ready, batch)

    def _answer(self, ready: _Ready, requests: list[InferenceRequest]) -> list[RequestTrace]:
        dispatch_ns = time.monotonic_ns()
        try:
            return self._run(ready, requests, dispatch_ns)
        except _BATCH_ERRORS as error:
            if runtime.is_fatal(error):
                raise BackendError(f"the device failed: {_brief(error)}") from error
            failure = _brief(error)
        except Exception as error:
            raise BackendError(f"transformers failed: {_brief(error)}") from error
        # Outside the handler, where the exception no longer keeps the batch's tensors alive.
        runtime.free_cached_memory(ready.device)
        _log.warning("a batch of %d requests failed: %s", len(requests), failure)
        return _fail_requests(requests, failure, dispatch_ns)

    def _run(
        self, ready: _Ready, requests: list[InferenceRequest], dispatch_ns: int
    ) -> list[RequestTrace]:
        begin_ns = time.monotonic_ns()
        texts, unfit = prompt_texts(ready.loaded.tokenizer, requests)
        if any(unfit):
            return self._run_without_refused(ready, requests, unfit, dispatch_ns)
        batch = tokenise_requests(ready.loaded.tokenizer, requests, texts)
        tokenization_ns = (time.monotonic_ns() - begin_ns) // len(requests)
        refusals = refuse_unfit(requests, batch, ready.limits)
        if any(refusals):
            return self._run_without_refused(ready, requests, refusals, dispatch_ns)
        rows = self._generate_rows(ready, batch, requests[0])
        return_ns = time.monotonic_ns()
        return [
            RequestTrace(
                request_id=request.request_id,
                prompt_tokens=length,
                output_token_ids=(output := cut_after_eos(row, ready.eos_ids)),
                dispatch_ns=dispatch_ns,
                return_ns=return_ns,
                truncated_prompt_tokens=truncated,
                finish_reason=finish_reason(output, ready.eos_ids),
                tokenization_ns=tokenization_ns,
            )
            for request, row, length, truncated in zip(
                requests, rows, batch.lengths, batch.truncated, strict=True
            )
        ]

    def _generate_rows(
        self, ready: _Ready, batch: Tokenised, bounds: InferenceRequest
    ) -> list[list[int]]:
        import torch

        settings = generation_config(
            self._config.decoder, bounds, ready.eos_ids, ready.loaded.tokenizer
        )
        with torch.inference_mode():
            output = ready.loaded.model.generate(
                input_ids=batch.input_ids.to(ready.device),
                attention_mask=batch.attention_mask.to(ready.device),
                generation_config=settings,
            )
        rows: list[list[int]] = output[:, batch.input_ids.shape[1] :].tolist()
        runtime.synchronize(ready.device)
        return rows

    def _run_without_refused(
        self,
        ready: _Ready,
        requests: list[InferenceRequest],
        refusals: list[str | None],
        dispatch_ns: int,
    ) -> list[RequestTrace]:
        sound = [r for r, reason in zip(requests, refusals, strict=True) if reason is None]
        traces = {t.request_id: t for t in self._run(ready, sound, dispatch_ns)} if sound else {}
        for request, reason in zip(requests, refusals, strict=True):
            if reason is not None:
                traces[request.request_id] = _fail_requests([request], reason, dispatch_ns)[0]
        return [traces[request.request_id] for request in requests]

    def synchronize(self) -> None:
        """Wait for the device."""
        if self._ready is not None:
            runtime.synchronize(self._ready.device)

    def compute_metrics(self) -> ComputeMetrics:
        """Size of the model and peak memory; of the last ``generate`` where the device tells."""
        ready = self._require_ready()
        peak_bytes, source = runtime.peak_memory(ready.device)
        return ComputeMetrics(
            model_parameters=ready.loaded.model.num_parameters(),
            peak_memory_bytes=peak_bytes,
            peak_memory_source=source,
            flops_reason="the PyTorch backend does not count floating-point operations",
        )

    def close(self) -> None:
        """Let go of the model and give the device its memory back."""
        if self._ready is None:
            return
        device = self._ready.device
        self._ready = None
        gc.collect()
        runtime.free_cached_memory(device)

    def _require_ready(self) -> _Ready:
        if self._ready is None:
            raise BackendError("the PyTorch backend is used before load() or after close()")
        return self._ready


def _fail_requests(
    requests: list[InferenceRequest], error: str, dispatch_ns: int
) -> list[RequestTrace]:
    return_ns = time.monotonic_ns()
    return [
        RequestTrace(request.request_id, None, (), dispatch_ns, return_ns, error=error)
        for request in requests
    ]


def _brief(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
