"""The rules of the contract, a function each: what it yields is where the rule was broken.

The first line of a docstring is the rule as the author of a backend reads it. Rules are kept
apart, so that one mistake fails one check.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from llenergymeasure.core.inference_backends.conformance.seen import TRUNCATED_TO, Seen
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.trace import RequestTrace

Check = Callable[[Seen], Iterator[str]]


def describe_is_complete(seen: Seen) -> Iterator[str]:
    """describe() names the model and the engine's version; numbers in it are positive."""
    info: object = seen.info
    if not isinstance(info, ModelInfo):
        yield f"it is a {type(info).__name__}, not a ModelInfo"
        return
    if not info.name:
        yield "the model has no name"
    if not info.engine_version:
        yield "engine_version is missing"
    for field, value in (("parameters", info.parameters), ("threads", info.threads)):
        if value is not None and value <= 0:
            yield f"{field} is {value}; what is not known is None"


def generate_does_not_raise(seen: Seen) -> Iterator[str]:
    """generate() raises only if the whole engine is broken."""
    for name, answers in seen.answers.items():
        if answers.error:
            yield f"{name}: {answers.error}"


def traces_are_request_traces(seen: Seen) -> Iterator[str]:
    """generate() gives RequestTrace objects with plain, non-negative integers as token ids."""
    for _, received in seen.received():
        trace: object = received.trace
        if not isinstance(trace, RequestTrace):
            yield f"got a {type(trace).__name__}"
            continue
        ids = trace.output_token_ids
        odd = [token for token in ids if type(token) is not int or token < 0]
        if type(ids) is not tuple or odd:
            yield f"output_token_ids of request {trace.request_id} is {ids!r}"


def one_trace_per_request(seen: Seen) -> Iterator[str]:
    """Each request gets exactly one trace."""
    # The second call has a check of its own, and so have an empty list and an empty prompt.
    for name in seen.answers.keys() - {"again", "nothing", "empty_prompt"}:
        answers = seen.answers[name]
        if len(answers.received) != len(answers.requests):
            yield f"{len(answers.received)} traces for {len(answers.requests)} requests ({name})"


def request_ids_are_kept(seen: Seen) -> Iterator[str]:
    """A trace carries the id of its request, and no two the same."""
    for name, answers in seen.answers.items():
        asked = {request.request_id for request in answers.requests}
        counts = Counter(received.trace.request_id for received in answers.received)
        for request_id, count in counts.items():
            if asked and (request_id not in asked or count > 1):
                yield f"id {request_id} came {count} times, asked were {sorted(asked)} ({name})"


def requests_are_answered(seen: Seen) -> Iterator[str]:
    """An ordinary request does not fail."""
    for answers, received in seen.received():
        empty = {request.request_id for request in answers.requests if not request.prompt}
        if received.trace.failed and received.trace.request_id not in empty:
            yield f"request {received.trace.request_id}: {received.trace.error}"


def no_requests_give_no_trace(seen: Seen) -> Iterator[str]:
    """An empty list of requests gives no trace."""
    if count := len(seen.answers["nothing"].received):
        yield f"{count} traces came"


def empty_prompt_gets_a_trace(seen: Seen) -> Iterator[str]:
    """A prompt without text gets a trace, with an error or not, and spares its neighbours."""
    answers = seen.answers["empty_prompt"]
    if len(answers.received) != len(answers.requests):
        yield f"{len(answers.received)} traces for {len(answers.requests)} requests"


def second_call_works(seen: Seen) -> Iterator[str]:
    """generate() can be called again and answers as many requests."""
    first, again = seen.answers["together"], seen.answers["again"]
    if len(first.received) != len(again.received):
        yield f"{len(first.received)} traces at first, {len(again.received)} the second time"


def greedy_repeats(seen: Seen) -> Iterator[str]:
    """Greedy decoding gives the same tokens for the same requests."""
    first = {request.request_id: trace for request, trace in seen.answers["together"].pairs()}
    for request, trace in seen.answers["again"].pairs():
        before = first.get(request.request_id)
        if before is not None and before.output_token_ids != trace.output_token_ids:
            yield f"request {request.request_id}: the tokens differ"


def times_are_ordered(seen: Seen) -> Iterator[str]:
    """dispatch_ns is not after return_ns."""
    for _, received in seen.received():
        trace = received.trace
        if trace.dispatch_ns > trace.return_ns:
            late_ns = trace.dispatch_ns - trace.return_ns
            yield f"request {trace.request_id} is dispatched {late_ns} ns after its return"


def times_lie_within_the_call(seen: Seen) -> Iterator[str]:
    """Times are CLOCK_MONOTONIC ns (time.monotonic_ns), taken during the call."""
    for answers, received in seen.received():
        trace = received.trace
        if trace.dispatch_ns < answers.called_ns:
            early_ns = answers.called_ns - trace.dispatch_ns
            yield f"request {trace.request_id} is dispatched {early_ns} ns before the call"
        if trace.return_ns > received.at_ns:
            late_ns = trace.return_ns - received.at_ns
            yield f"request {trace.request_id} returns {late_ns} ns after its trace came"


def token_times_match_tokens(seen: Seen) -> Iterator[str]:
    """token_times_ns is None, or has one time for each output token."""
    for request, trace in seen.pairs():
        times, tokens = trace.token_times_ns, len(trace.output_token_ids)
        if times is not None and len(times) != tokens:
            yield f"request {request.request_id}: {len(times)} times for {tokens} tokens"


def token_times_are_ordered(seen: Seen) -> Iterator[str]:
    """Token times rise from dispatch_ns to return_ns."""
    for request, trace in seen.pairs():
        if trace.token_times_ns and trace.dispatch_ns <= trace.return_ns:
            times = [trace.dispatch_ns, *trace.token_times_ns, trace.return_ns]
            if times != sorted(times):
                yield f"request {request.request_id}: {times}"


def max_output_tokens_is_kept(seen: Seen) -> Iterator[str]:
    """No answer is longer than its own request's max_output_tokens."""
    for request, trace in seen.pairs():
        tokens = len(trace.output_token_ids)
        if tokens > request.max_output_tokens:
            yield f"{tokens} tokens where {request.max_output_tokens} are allowed"


def min_output_tokens_is_kept(seen: Seen) -> Iterator[str]:
    """There is no end of sequence among the first min_output_tokens tokens."""
    ends = set(seen.info.eos_token_ids)
    for request, trace in seen.pairs():
        first = trace.output_token_ids[: request.min_output_tokens]
        if len(first) < request.min_output_tokens or ends.intersection(first):
            yield f"{list(first)} where {request.min_output_tokens} tokens are the least"


def nothing_after_end_of_sequence(seen: Seen) -> Iterator[str]:
    """Output ends with the first end-of-sequence token."""
    ends = set(seen.info.eos_token_ids)
    for request, trace in seen.pairs():
        if ends.intersection(trace.output_token_ids[:-1]):
            yield f"request {request.request_id}: {list(trace.output_token_ids)}"


def finish_reason_fits(seen: Seen) -> Iterator[str]:
    """finish_reason is stop after end of sequence, length at max_output_tokens, None if failed."""
    ends = set(seen.info.eos_token_ids)
    for request, trace in seen.pairs():
        ids = trace.output_token_ids
        ended = bool(ends.intersection(ids))
        full = len(ids) >= request.max_output_tokens
        fits = {"stop": ended or not ends, "length": full and not ended}
        if not fits.get(trace.finish_reason or "", False):
            yield f"request {request.request_id}: {trace.finish_reason!r} for {list(ids)}"
    for _, received in seen.received():
        if received.trace.failed and received.trace.finish_reason is not None:
            yield f"request {received.trace.request_id} failed and finished"


def prompt_tokens_are_counted(seen: Seen) -> Iterator[str]:
    """prompt_tokens is positive for an answered prompt, and larger for a longer one."""
    for request, trace in seen.pairs():
        if request.prompt and not (trace.prompt_tokens and trace.prompt_tokens > 0):
            yield f"request {request.request_id}: {trace.prompt_tokens}"
    short, long = (_prompt_tokens(seen, name) for name in ("short_alone", "long_alone"))
    if short is not None and long is not None and short >= long:
        yield f"{short} for a short prompt, {long} for a long one"


def padding_is_not_counted(seen: Seen) -> Iterator[str]:
    """A prompt has as many tokens beside a longer one as alone."""
    alone = _prompt_tokens(seen, "short_alone")
    short = seen.answers["short_alone"].requests[0].prompt
    for request, trace in seen.answers["together"].pairs():
        if alone is not None and request.prompt == short and trace.prompt_tokens != alone:
            yield f"{alone} tokens alone, {trace.prompt_tokens} in a batch"


def truncation_is_kept(seen: Seen) -> Iterator[str]:
    """A prompt is cut to max_input_tokens."""
    kept = _prompt_tokens(seen, "truncated")
    if kept is not None and kept > TRUNCATED_TO:
        yield f"{kept} tokens where {TRUNCATED_TO} are allowed"


def truncation_is_reported(seen: Seen) -> Iterator[str]:
    """truncated_prompt_tokens is the number of tokens that were cut off, else 0."""
    for request, trace in seen.pairs():
        if request.max_input_tokens is None and trace.truncated_prompt_tokens:
            yield f"{trace.truncated_prompt_tokens} where nothing is to be cut"
    whole, kept = _prompt_tokens(seen, "long_alone"), _prompt_tokens(seen, "truncated")
    cut = seen.only("truncated")
    if whole is None or kept is None or cut is None:
        return
    if cut.truncated_prompt_tokens != whole - kept:
        yield f"{cut.truncated_prompt_tokens} where {whole} tokens became {kept}"


def synchronize_returns(seen: Seen) -> Iterator[str]:
    """synchronize() returns without an error."""
    if seen.synchronize_error:
        yield seen.synchronize_error


def compute_metrics_name_their_source(seen: Seen) -> Iterator[str]:
    """compute_metrics() gives positive numbers or None, and says what a peak is the peak of."""
    compute = seen.compute
    if compute is None:
        yield seen.compute_error or "it gives None"
        return
    numbers = (compute.model_parameters, compute.peak_memory_bytes, compute.flops_total)
    if any(number is not None and number <= 0 for number in numbers):
        yield f"{numbers}; what is not known is None"
    if (compute.peak_memory_bytes is None) != (compute.peak_memory_source is None):
        yield "peak_memory_bytes and peak_memory_source belong together"


def close_is_idempotent(seen: Seen) -> Iterator[str]:
    """close() can be called twice."""
    for call, error in zip(("first", "second"), seen.close_errors, strict=True):
        if error:
            yield f"the {call} call raised {error}"


def _prompt_tokens(seen: Seen, question: str) -> int | None:
    trace = seen.only(question)
    return trace.prompt_tokens if trace else None


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        describe_is_complete,
        generate_does_not_raise,
        traces_are_request_traces,
        one_trace_per_request,
        request_ids_are_kept,
        requests_are_answered,
        no_requests_give_no_trace,
        empty_prompt_gets_a_trace,
        second_call_works,
        greedy_repeats,
        times_are_ordered,
        times_lie_within_the_call,
        token_times_match_tokens,
        token_times_are_ordered,
        max_output_tokens_is_kept,
        min_output_tokens_is_kept,
        nothing_after_end_of_sequence,
        finish_reason_fits,
        prompt_tokens_are_counted,
        padding_is_not_counted,
        truncation_is_kept,
        truncation_is_reported,
        synchronize_returns,
        compute_metrics_name_their_source,
        close_is_idempotent,
    )
}
