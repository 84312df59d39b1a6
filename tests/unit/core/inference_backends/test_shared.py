from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.inference_backends.shared import (
    cut_after_eos,
    finish_reason,
    static_batches,
)
from llenergymeasure.domain.trace import InferenceRequest

bounds = st.tuples(st.integers(1, 2), st.integers(0, 1), st.sampled_from([None, 8]))


@given(st.lists(bounds, max_size=12), st.integers(1, 5))
def test_batches_keep_order_size_and_bounds(each, size) -> None:
    requests = [InferenceRequest(i, "p", *wanted) for i, wanted in enumerate(each)]
    batches = list(static_batches(requests, size))
    assert [request for batch in batches for request in batch] == requests
    assert all(1 <= len(batch) <= size for batch in batches)
    for batch in batches:
        kinds = {(r.max_output_tokens, r.min_output_tokens, r.max_input_tokens) for r in batch}
        assert len(kinds) == 1


@given(st.integers(0, 40), st.integers(1, 9))
def test_alike_requests_fill_their_batches(count, size) -> None:
    requests = [InferenceRequest(i, "p", 4) for i in range(count)]
    assert len(list(static_batches(requests, size))) == -(-count // size)


@given(st.lists(st.integers(0, 5), max_size=10), st.frozensets(st.integers(0, 5), max_size=3))
def test_output_ends_with_the_first_end(ids, ends) -> None:
    cut = cut_after_eos(ids, ends)
    assert tuple(ids[: len(cut)]) == cut
    assert not ends.intersection(cut[:-1])
    if len(cut) < len(ids):
        assert cut[-1] in ends
    assert finish_reason(cut, ends) == ("stop" if ends.intersection(ids) else "length")
