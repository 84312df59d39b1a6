"""The questions of the conformance suite, and what a backend was seen to answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llenergymeasure.domain.metrics import ComputeMetrics
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.trace import InferenceRequest, RequestTrace

TRUNCATED_TO = 8

_SHORT = "One lamp is lit."
_LONG = (
    "The keeper of the tower wrote down the hour, the wind and the height of the water, then "
    "climbed the ninety steps again to look at the light, and found that nothing had changed "
    "but the colour of the sky, which he wrote down as well because it was his habit."
)
_MIDDLE = "Name three tools that measure time, and say which one you trust."

_Requests = tuple[InferenceRequest, ...]


def _requests(*prompts: str, first_id: int = 0, step: int = 1, **bounds: int) -> _Requests:
    limits: dict[str, Any] = {"max_output_tokens": 8, **bounds}
    return tuple(
        InferenceRequest(first_id + position * step, prompt, **limits)
        for position, prompt in enumerate(prompts)
    )


_TOGETHER = _requests(_SHORT, _LONG, _MIDDLE, _SHORT, _MIDDLE, first_id=90, step=-17)

# In the order in which they are asked. Each is one call of generate().
QUESTIONS: dict[str, _Requests] = {
    "together": _TOGETHER,
    "again": _TOGETHER,
    "short_alone": _requests(_SHORT),
    "long_alone": _requests(_LONG),
    "truncated": _requests(_LONG, max_input_tokens=TRUNCATED_TO),
    "minimum": _requests(_SHORT, _LONG, min_output_tokens=6),
    "own_bounds": (
        *_requests(_SHORT, max_output_tokens=1),
        *_requests(_MIDDLE, first_id=1, max_output_tokens=5),
        *_requests(_LONG, first_id=2, max_output_tokens=8),
    ),
    "empty_prompt": _requests("", _SHORT),
    "nothing": (),
}


@dataclass(frozen=True)
class Received:
    """A trace, and when it came (CLOCK_MONOTONIC ns)."""

    trace: RequestTrace
    at_ns: int


@dataclass(frozen=True)
class Answers:
    """What one call of ``generate`` gave.

    Attributes:
        requests: What was asked.
        received: What came, in its order.
        called_ns: Just before the call.
        error: What it raised.
    """

    requests: _Requests
    received: tuple[Received, ...]
    called_ns: int
    error: str | None

    def pairs(self) -> Iterator[tuple[InferenceRequest, RequestTrace]]:
        """Each answered trace with its request; those that belong to none are left out."""
        by_id = {request.request_id: request for request in self.requests}
        for received in self.received:
            request = by_id.get(received.trace.request_id)
            if request is not None and not received.trace.failed:
                yield request, received.trace


@dataclass(frozen=True)
class Seen:
    """All that was seen of one loaded backend."""

    info: ModelInfo
    answers: dict[str, Answers]
    synchronize_error: str | None
    compute: ComputeMetrics | None
    compute_error: str | None
    close_errors: tuple[str | None, str | None]

    def pairs(self) -> Iterator[tuple[InferenceRequest, RequestTrace]]:
        """Each answered trace of every call with its request."""
        for answers in self.answers.values():
            yield from answers.pairs()

    def received(self) -> Iterator[tuple[Answers, Received]]:
        """Every trace of every call."""
        for answers in self.answers.values():
            for received in answers.received:
                yield answers, received

    def only(self, question: str) -> RequestTrace | None:
        """The trace of a question with one request, if it was answered."""
        traces = [trace for _, trace in self.answers[question].pairs()]
        return traces[0] if len(traces) == 1 else None
