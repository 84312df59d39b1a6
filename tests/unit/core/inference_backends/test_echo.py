from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import pytest

from llenergymeasure.config.models import config_model
from llenergymeasure.core.inference_backends.echo import EOS_ID, EchoBackend
from llenergymeasure.domain.trace import InferenceRequest
from llenergymeasure.exceptions import BackendError


def loaded(**script) -> EchoBackend:
    config = config_model("echo").model_validate(
        {"config_name": "t", "model_name": "no/such-model", "backend": "echo", "echo": script}
    )
    backend = EchoBackend(config)
    backend.load()
    return backend


def requests(count: int, *, prompt: str = "one two three", limit: int = 4, **bounds):
    return [InferenceRequest(i, prompt, limit, **bounds) for i in range(count)]


def test_words_are_tokens_and_all_limits_hold() -> None:
    [trace] = loaded().generate(requests(1, max_input_tokens=2))
    assert (trace.prompt_tokens, trace.truncated_prompt_tokens) == (2, 1)
    assert len(trace.output_token_ids) == 4
    assert EOS_ID not in trace.output_token_ids
    assert trace.finish_reason == "length"
    assert trace.token_times_ns is None


def test_scripted_lengths_are_used_in_turn_and_end_with_eos() -> None:
    traces = list(loaded(output_tokens=[0, 2, 9]).generate(requests(4)))
    assert [len(t.output_token_ids) for t in traces] == [1, 3, 4, 1]
    assert [t.output_token_ids[-1] == EOS_ID for t in traces] == [True, True, False, True]
    assert [t.finish_reason for t in traces] == ["stop", "stop", "length", "stop"]


def test_min_output_tokens_forbids_an_early_end() -> None:
    [trace] = loaded(output_tokens=[0]).generate(requests(1, min_output_tokens=3))
    assert len(trace.output_token_ids) == 4
    assert trace.output_token_ids.index(EOS_ID) == 3


def test_a_word_has_the_same_token_in_every_process() -> None:
    [trace] = loaded().generate(requests(1))
    first, second, third, fourth = trace.output_token_ids
    assert first == fourth
    assert len({first, second, third}) == 3
    assert first == 1 + 2053932785 % 50_000  # CRC-32 of "one"


@pytest.mark.parametrize(("batch_size", "batches"), [(1, 4), (3, 2), (8, 1)])
def test_a_batch_takes_prefill_and_its_steps(batch_size: int, batches: int) -> None:
    backend = loaded(batch_size=batch_size, prefill_s=0.02, per_token_s=0.01)
    start = time.monotonic()
    traces = list(backend.generate(requests(4)))
    assert time.monotonic() - start >= batches * (0.02 + 3 * 0.01)
    assert len({t.dispatch_ns for t in traces}) == batches
    assert len({t.return_ns for t in traces}) == batches


def test_streaming_shows_each_token_when_it_comes() -> None:
    [trace] = loaded(streaming=True, prefill_s=0.02, per_token_s=0.01).generate(requests(1))
    times = trace.token_times_ns
    assert times is not None and len(times) == 4
    assert times[0] - trace.dispatch_ns >= 20e6
    assert all(later - earlier >= 10e6 for earlier, later in pairwise(times))
    assert times[-1] <= trace.return_ns


def test_a_scripted_failure_is_a_trace() -> None:
    traces = list(loaded(fail_requests=[1], streaming=True).generate(requests(3)))
    assert [t.failed for t in traces] == [False, True, False]
    assert traces[1].error == "failed, as scripted"
    assert traces[1].output_token_ids == ()
    assert traces[1].token_times_ns is None


def test_scripted_breakdowns_are_errors() -> None:
    with pytest.raises(BackendError, match="fails to load"):
        loaded(fail_load=True)
    with pytest.raises(BackendError, match="fails to generate"):
        loaded(fail_generate=True).generate(requests(1))


def test_loading_takes_its_time() -> None:
    start = time.monotonic()
    loaded(load_s=0.05)
    assert time.monotonic() - start >= 0.05


def test_it_is_refused_unloaded_and_after_close() -> None:
    backend = loaded()
    backend.close()
    with pytest.raises(BackendError, match="before load"):
        backend.generate(requests(1))
    with pytest.raises(BackendError, match="before load"):
        backend.describe()


CHILD = """
from llenergymeasure.config.models import config_model
from llenergymeasure.core.inference_backends.echo import EchoBackend
from llenergymeasure.domain.trace import InferenceRequest
import sys
echo = {"die_after_requests": int(sys.argv[1]), "batch_size": 2}
backend = EchoBackend(config_model("echo").model_validate(
    {"config_name": "t", "model_name": "m", "backend": "echo", "echo": echo}))
backend.load()
for trace in backend.generate([InferenceRequest(i, "a b", 2) for i in range(5)]):
    print(trace.request_id, flush=True)
print("torch" in sys.modules)
"""


@pytest.mark.parametrize(("after", "answered"), [(0, 0), (3, 3), (5, 5)])
def test_it_kills_itself_after_so_many_requests(after: int, answered: int) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(after)], capture_output=True, text=True, timeout=180
    )
    assert child.returncode == -9
    assert child.stdout.split() == [str(i) for i in range(answered)]


def test_it_needs_no_torch() -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, "99"], capture_output=True, text=True, timeout=180
    )
    assert child.returncode == 0
    assert child.stdout.split()[-1] == "False"
