"""Does an inference backend keep to its contract? For our own backends and for plug-ins.

    results = run_conformance(lambda overrides: MyBackend(conformance_config("mine", overrides)))
    assert all(result.passed for result in results), results

One backend is loaded and asked a fixed series of questions; each check then looks at all that
was seen. So a check that fails says which rule was broken, and the others still say theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.config.registry import inference_backend
from llenergymeasure.core.conformance import CheckResult
from llenergymeasure.core.inference_backends.conformance.checks import CHECKS
from llenergymeasure.core.inference_backends.conformance.seen import (
    QUESTIONS,
    Answers,
    Received,
    Seen,
)
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.domain.trace import InferenceRequest

MakeBackend = Callable[[Mapping[str, Any]], InferenceBackend]

# What the suite needs of a config. A backend's own section is the caller's business.
OVERRIDES: Mapping[str, Any] = {
    "max_input_tokens": 256,
    "max_output_tokens": 8,
    "min_output_tokens": 0,
    "seed": 1,
    "decoder": {"preset": "deterministic"},
}

_UNLOADED_CHECK = "close_before_load"


def check_names() -> list[str]:
    """The names of all checks, in the order of the results."""
    return [_UNLOADED_CHECK, *CHECKS]


def conformance_config(
    backend: str,
    overrides: Mapping[str, Any],
    *,
    model_name: str = "builtin:tiny-llama",
    options: Mapping[str, Any] | None = None,
) -> ExperimentConfig:
    """A config for the suite: a batch of four where the backend has a ``batch_size``.

    Args:
        backend: Registered name of the backend.
        overrides: What the suite asks for.
        model_name: A model that the backend can load.
        options: Values of the backend's own section.

    Raises:
        UnknownBackendError: No backend has that name.
        pydantic.ValidationError: The values do not fit the backend's options.
    """
    section = dict(options or {})
    if "batch_size" in inference_backend(backend).options.model_fields:
        section.setdefault("batch_size", 4)
    base = {
        "config_name": f"conformance of {backend}",
        "model_name": model_name,
        "backend": backend,
        backend: section,
    }
    return config_model(backend).model_validate({**base, **overrides})


def run_conformance(make: MakeBackend) -> list[CheckResult]:
    """Put a backend through the contract.

    Args:
        make: Makes a new, unloaded backend from a config with the given overrides.

    Returns:
        One result a check, in the order of ``check_names``. What a backend raises is a finding.
    """
    try:
        make(OVERRIDES).close()
        first = CheckResult(_UNLOADED_CHECK, passed=True)
    except Exception as error:  # noqa: BLE001 whatever a plug-in raises is its finding
        rule = "close() before load() does nothing"
        first = CheckResult(_UNLOADED_CHECK, passed=False, detail=f"{rule}: {_text(error)}")
    try:
        seen = _observe(make(OVERRIDES))
    except Exception as error:  # noqa: BLE001 as above
        failed = f"the backend could not be made, loaded or described: {_text(error)}"
        return [first, *(CheckResult(name, passed=False, detail=failed) for name in CHECKS)]
    return [first, *(_judge(name, seen) for name in CHECKS)]


def _judge(name: str, seen: Seen) -> CheckResult:
    check = CHECKS[name]
    rule = (check.__doc__ or name).splitlines()[0].rstrip(".")
    try:
        problem = next(iter(check(seen)), None)
    except Exception as error:  # noqa: BLE001 a trace of the wrong shape breaks the rule too
        problem = _text(error)
    return CheckResult(name, passed=problem is None, detail=f"{rule}: {problem}" if problem else "")


def _observe(backend: InferenceBackend) -> Seen:
    backend.load()
    try:
        info = backend.describe()
        answers = {name: _ask(backend, requests) for name, requests in QUESTIONS.items()}
        synchronize_error = _error_of(backend.synchronize)
        compute, compute_error = None, None
        try:
            compute = backend.compute_metrics()
        except Exception as error:  # noqa: BLE001 as above
            compute_error = _text(error)
    finally:
        close_errors = (_error_of(backend.close), _error_of(backend.close))
    return Seen(info, answers, synchronize_error, compute, compute_error, close_errors)


def _ask(backend: InferenceBackend, requests: tuple[InferenceRequest, ...]) -> Answers:
    called_ns = time.monotonic_ns()
    received: list[Received] = []
    error = None
    try:
        for trace in backend.generate(requests):
            # Not a comprehension: what came before a failure counts.
            received.append(Received(trace, time.monotonic_ns()))  # noqa: PERF401
    except Exception as failure:  # noqa: BLE001 as above
        error = _text(failure)
    return Answers(requests, tuple(received), called_ns, error)


def _error_of(step: Callable[[], None]) -> str | None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 as above
        return _text(error)
    return None


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
