"""The contract of an inference backend.

    backend = Backend(config)      # cheap: no engine is touched
    backend.load()                 # weights into memory
    backend.describe()             # ModelInfo
    backend.generate(requests)     # as often as wanted; the window is timed around it
    backend.synchronize()          # returns when all submitted device work is done
    backend.close()                # frees everything, may be called twice, or before load

A backend never computes a metric, touches energy, reads config files or writes files. It
reports what it saw: CLOCK_MONOTONIC nanoseconds and true token counts (no padding, nothing
after end-of-sequence, nothing interpolated). Each trace's ``tokenization_ns`` says how long its
prompt took to become tokens within the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.domain.metrics import ComputeMetrics
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace


class InferenceBackend(Protocol):
    """What the measured process asks of an engine (life cycle at the module's head).

    Example:
        Tokens are words, and an answer is as many zeros as were asked for.

        >>> class Zeros:
        ...     def __init__(self, config):
        ...         self._config = config
        ...
        ...     def load(self):
        ...         pass
        ...
        ...     def describe(self):
        ...         return ModelInfo(name=self._config.model_name, engine_version="1.0")
        ...
        ...     def generate(self, requests):
        ...         for request in requests:
        ...             dispatch_ns = time.monotonic_ns()
        ...             words = len(request.prompt.split())
        ...             kept = min(words, request.max_input_tokens or words)
        ...             yield RequestTrace(
        ...                 request.request_id,
        ...                 prompt_tokens=kept,
        ...                 output_token_ids=(0,) * request.max_output_tokens,
        ...                 dispatch_ns=dispatch_ns,
        ...                 return_ns=time.monotonic_ns(),
        ...                 truncated_prompt_tokens=words - kept,
        ...                 finish_reason="length",
        ...             )
        ...
        ...     def synchronize(self):
        ...         pass
        ...
        ...     def compute_metrics(self):
        ...         return ComputeMetrics(flops_reason="zeros cost nothing")
        ...
        ...     def close(self):
        ...         pass
        >>> engine = Zeros(ExperimentConfig(config_name="zeros", model_name="none"))
        >>> engine.load()
        >>> (trace,) = engine.generate([InferenceRequest(0, "Good morning", max_output_tokens=3)])
        >>> trace.prompt_tokens, trace.output_token_ids
        (2, (0, 0, 0))
    """

    def load(self) -> None:
        """Load the model.

        Raises:
            ModelNotFoundError, HubUnreachableError, ConfigurationError, BackendError
        """
        ...

    def describe(self) -> ModelInfo:
        """Say what was loaded. Only after ``load``."""
        ...

    def generate(self, requests: Sequence[InferenceRequest]) -> Iterable[RequestTrace]:
        """Answer the requests; exactly one trace each, yielded as soon as it is known.

        A request that fails is a trace with ``error``, not an exception; an exception means
        that the engine as a whole is broken.
        """
        ...

    def synchronize(self) -> None:
        """Wait for the device to finish what was submitted."""
        ...

    def compute_metrics(self) -> ComputeMetrics:
        """Peak memory of the last ``generate`` and the size of the model, as far as known."""
        ...

    def close(self) -> None:
        """Free the engine and its device memory. Idempotent."""
        ...


@runtime_checkable
class DevicePreparing(Protocol):
    """An engine that can set up its device before the model. Optional: asked for with isinstance.

    Idle power at the level ``context`` is measured between this and ``load``.
    """

    def prepare_device(self) -> None:
        """Make the device's context; called once, before ``load``.

        Raises:
            ConfigurationError, BackendError
        """
        ...


class InferenceBackendFactory(Protocol):
    """How a backend's class is called."""

    def __call__(self, config: ExperimentConfig) -> InferenceBackend: ...
