"""The echo backend with one fault, chosen by an option and named like the check that it fails."""

import random
import time
from dataclasses import replace
from typing import Literal, get_args

from llenergymeasure.config.backend_spec import BackendOptions, BackendSpec

EOS_ID = 0

Fault = Literal[
    "close_before_load",
    "describe_is_complete",
    "generate_does_not_raise",
    "traces_are_request_traces",
    "one_trace_per_request",
    "request_ids_are_kept",
    "requests_are_answered",
    "no_requests_give_no_trace",
    "empty_prompt_gets_a_trace",
    "second_call_works",
    "greedy_repeats",
    "times_are_ordered",
    "times_lie_within_the_call",
    "token_times_match_tokens",
    "token_times_are_ordered",
    "max_output_tokens_is_kept",
    "min_output_tokens_is_kept",
    "nothing_after_end_of_sequence",
    "finish_reason_fits",
    "prompt_tokens_are_counted",
    "padding_is_not_counted",
    "truncation_is_kept",
    "truncation_is_reported",
    "synchronize_returns",
    "compute_metrics_name_their_source",
    "close_is_idempotent",
]
FAULTS = get_args(Fault)


class BrokenOptions(BackendOptions):
    fault: Fault | None = None


SPEC = BackendSpec("broken", "lem_broken:BrokenBackend", BrokenOptions, description="Faulty.")


class BrokenBackend:
    def __init__(self, config):
        self.fault = config.backend_options.fault
        self.inner = _echo(config)
        self.loaded = False
        self.calls = 0

    def load(self):
        self.loaded = True
        self.inner.load()

    def describe(self):
        info = self.inner.describe()
        if self.fault == "describe_is_complete":
            return info.model_copy(update={"engine_version": None})
        return info

    def generate(self, requests):
        self.calls += 1
        if self.fault == "generate_does_not_raise" and not requests:
            raise ValueError("nothing to do")
        traces = list(self.inner.generate(requests))
        if self.fault == "no_requests_give_no_trace" and not requests:
            traces = list(self.inner.generate([_any_request()]))
        if self.fault == "empty_prompt_gets_a_trace":
            prompts = {request.request_id: request.prompt for request in requests}
            traces = [trace for trace in traces if prompts[trace.request_id]]
        if self.fault == "one_trace_per_request" and self.calls <= 2:
            traces = traces[:-1]
        if self.fault == "second_call_works" and self.calls == 2:
            traces = []
        by_id = {request.request_id: request for request in requests}
        longest = max((trace.prompt_tokens for trace in traces), default=0)
        for trace in traces:
            yield self._spoilt(trace, by_id.get(trace.request_id), longest)

    def _spoilt(self, trace, request, longest):
        change = _CHANGES.get(self.fault)
        return change(trace, request, longest) if change and request else trace

    def synchronize(self):
        if self.fault == "synchronize_returns":
            raise RuntimeError("no device")

    def compute_metrics(self):
        metrics = self.inner.compute_metrics()
        if self.fault == "compute_metrics_name_their_source":
            return metrics.model_copy(update={"peak_memory_bytes": 1})
        return metrics

    def close(self):
        if self.fault == "close_before_load" and not self.loaded:
            raise AttributeError("engine")
        if self.fault == "close_is_idempotent" and self.inner is None:
            raise AttributeError("engine")
        self.inner = None


def _echo(config):
    from llenergymeasure.config.models import config_model
    from llenergymeasure.core.inference_backends.echo import EchoBackend

    section = {"streaming": True, "output_tokens": [3, 20], "batch_size": 4}
    base = {"config_name": "inner", "model_name": config.model_name, "backend": "echo"}
    return EchoBackend(config_model("echo").model_validate({**base, "echo": section}))


def _any_request():
    from llenergymeasure.domain.trace import InferenceRequest

    return InferenceRequest(0, "a word", 1)


def _random_tokens(trace, _request, _longest):
    ids = tuple(i if i == EOS_ID else random.randint(1, 2**31) for i in trace.output_token_ids)
    return replace(trace, output_token_ids=ids)


def _one_token_more(trace, request, _longest):
    if len(trace.output_token_ids) < request.max_output_tokens:
        return trace
    ids, times = trace.output_token_ids, trace.token_times_ns
    return replace(trace, output_token_ids=(7, *ids), token_times_ns=(times[0], *times))


def _one_token_less(trace, request, _longest):
    if not request.min_output_tokens:
        return trace
    ids = (*trace.output_token_ids[:1], EOS_ID)
    times = trace.token_times_ns[: len(ids)]
    return replace(trace, output_token_ids=ids, token_times_ns=times, finish_reason="stop")


def _padding_kept_in_output(trace, _request, _longest):
    if trace.finish_reason != "stop":
        return trace
    ids, times = trace.output_token_ids, trace.token_times_ns
    return replace(trace, output_token_ids=(*ids, 7), token_times_ns=(*times, times[-1]))


def _wall_clock(trace, _request, _longest):
    now_ns = time.time_ns()
    times = tuple(now_ns for _ in trace.token_times_ns)
    return replace(trace, dispatch_ns=now_ns, return_ns=now_ns, token_times_ns=times)


def _untruncated(trace, _request, _longest):
    whole = trace.prompt_tokens + trace.truncated_prompt_tokens
    return replace(trace, prompt_tokens=whole, truncated_prompt_tokens=0)


_OTHER_REASON = {"stop": "length", "length": "stop"}

_CHANGES = {
    "traces_are_request_traces": lambda t, r, n: replace(
        t, output_token_ids=list(t.output_token_ids)
    ),
    "request_ids_are_kept": lambda t, r, n: replace(t, request_id=t.request_id + 1000),
    "requests_are_answered": lambda t, r, n: replace(t, error="no", finish_reason=None),
    "greedy_repeats": _random_tokens,
    "times_are_ordered": lambda t, r, n: replace(t, return_ns=t.dispatch_ns - 1),
    "times_lie_within_the_call": _wall_clock,
    "token_times_match_tokens": lambda t, r, n: replace(t, token_times_ns=t.token_times_ns[1:]),
    "token_times_are_ordered": lambda t, r, n: replace(
        t, token_times_ns=tuple(ns - 10**9 for ns in t.token_times_ns)
    ),
    "max_output_tokens_is_kept": _one_token_more,
    "min_output_tokens_is_kept": _one_token_less,
    "nothing_after_end_of_sequence": _padding_kept_in_output,
    "finish_reason_fits": lambda t, r, n: replace(t, finish_reason=_OTHER_REASON[t.finish_reason]),
    "prompt_tokens_are_counted": lambda t, r, n: replace(t, prompt_tokens=None),
    "padding_is_not_counted": lambda t, r, n: replace(t, prompt_tokens=n),
    "truncation_is_kept": _untruncated,
    "truncation_is_reported": lambda t, r, n: replace(t, truncated_prompt_tokens=0),
}
