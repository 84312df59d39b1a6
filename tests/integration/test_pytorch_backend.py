"""The PyTorch backend against plain transformers, on the built-in model. One warm process."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    RwkvConfig,
    RwkvForCausalLM,
    XLNetConfig,
    XLNetLMHeadModel,
)

from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.core.builtin_model import builtin_model_path
from llenergymeasure.core.inference_backends.conformance.suite import (
    conformance_config,
    run_conformance,
)
from llenergymeasure.core.inference_backends.protocols import DevicePreparing
from llenergymeasure.core.inference_backends.pytorch.backend import PyTorchBackend
from llenergymeasure.domain.trace import InferenceRequest
from llenergymeasure.exceptions import BackendError, ConfigurationError, ModelNotFoundError
from llenergymeasure.orchestration.measuring.reasons_model import batch_reason, model_warnings

PROMPTS = [
    "One lamp.",
    "The keeper of the tower wrote down the hour, the wind and the height of the water, and then "
    "he climbed the ninety steps again to look at the light over the bay.",
    "def mean(values): return sum(values) / len(values)",
    "Why?",
    "Ünïcödé — 集大成, a reference to Mencius; 3 + 4 = 7.",
    "Dear neighbours, the water in our street will be turned off on Thursday.",
    "a " * 200,
    "Rain in the mountains is different from rain in the plain.",
    "Ask how it was measured, what was left out, and what would have to be true.",
    "x",
]
GREEDY = {"preset": "deterministic"}
LIMIT_IN, LIMIT_OUT = 40, 24


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield builtin_model_path("builtin:tiny-llama")


@pytest.fixture(scope="module")
def plain(model_dir: Path) -> tuple[Any, Any]:
    """Model and tokenizer as a plain script loads them."""
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(model_dir, padding_side="left")


def config(model: Path | str, batch_size: int = 1, **fields: Any) -> ExperimentConfig:
    base = {
        "config_name": "t",
        "model_name": str(model),
        "device": "cpu",
        "decoder": GREEDY,
        "max_input_tokens": LIMIT_IN,
        "max_output_tokens": LIMIT_OUT,
        "pytorch": {"batch_size": batch_size},
    }
    return config_model("pytorch").model_validate({**base, **fields})


@pytest.fixture
def load(model_dir: Path) -> Iterator[Callable[..., PyTorchBackend]]:
    opened: list[PyTorchBackend] = []

    def load(batch_size: int = 1, *, model: Path | None = None, **fields: Any) -> PyTorchBackend:
        backend = PyTorchBackend(config(model or model_dir, batch_size, **fields))
        opened.append(backend)
        backend.load()
        return backend

    yield load
    for backend in opened:
        backend.close()


def requests(prompts: Sequence[str] = PROMPTS, **bounds: Any) -> list[InferenceRequest]:
    limits = {"max_output_tokens": LIMIT_OUT, "max_input_tokens": LIMIT_IN, **bounds}
    return [InferenceRequest(i, prompt, **limits) for i, prompt in enumerate(prompts)]


def plain_answers(
    plain: tuple[Any, Any],
    batch_size: int,
    *,
    prompts: Sequence[str] = PROMPTS,
    eos: Sequence[int] = (2,),
    **generate: Any,
) -> list[tuple[int, tuple[int, ...]]]:
    """Prompt tokens and output ids of each prompt, written without any code of ours."""
    model, tokenizer = plain
    answers = []
    for start in range(0, len(prompts), batch_size):
        encoded = tokenizer(
            prompts[start : start + batch_size],
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=LIMIT_IN,
        )
        mask = encoded["attention_mask"]
        with torch.no_grad():
            output = model.generate(
                input_ids=encoded["input_ids"],
                attention_mask=mask,
                **{"do_sample": False, "max_new_tokens": LIMIT_OUT, **generate},
            )
        for row, row_mask in zip(output[:, mask.shape[1] :].tolist(), mask, strict=True):
            ends = [i for i, token in enumerate(row) if token in eos]
            kept = row[: ends[0] + 1] if ends else row
            answers.append((int(row_mask.sum()), tuple(kept)))
    return answers


def answers_of(backend: PyTorchBackend, asked: list[InferenceRequest] | None = None):
    traces = list(backend.generate(requests() if asked is None else asked))
    assert [trace.error for trace in traces] == [None] * len(traces)
    return [(trace.prompt_tokens, trace.output_token_ids) for trace in traces]


@pytest.mark.parametrize("batch_size", [1, 8])
def test_conformance(model_dir: Path, batch_size: int) -> None:
    options = {"batch_size": batch_size}
    results = run_conformance(
        lambda overrides: PyTorchBackend(
            conformance_config("pytorch", overrides, model_name=str(model_dir), options=options)
        )
    )
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_greedy_tokens_equal_plain_transformers(load, plain, batch_size: int) -> None:
    assert answers_of(load(batch_size)) == plain_answers(plain, batch_size)


def test_batches_do_not_change_greedy_float32_tokens(load) -> None:
    batched = load(8)
    assert answers_of(batched) == answers_of(load(1))
    assert batched.describe().details["batch_effect"] == "none"


@pytest.fixture(scope="module")
def rwkv(model_dir: Path, plain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a model that a batch changes."""
    folder = tmp_path_factory.mktemp("rwkv")
    ids = {"bos_token_id": 1, "eos_token_id": 2}
    made = RwkvConfig(
        vocab_size=1026, hidden_size=64, attention_hidden_size=64, num_hidden_layers=2, **ids
    )
    RwkvForCausalLM(made).save_pretrained(folder)
    plain[1].save_pretrained(folder)
    return folder


def test_answers_that_a_batch_changes_are_told(load, rwkv: Path) -> None:
    backend = load(4, model=rwkv)
    model = backend.describe()
    assert "set the batch size to 1" in "".join(model_warnings(model))
    reason = batch_reason(model, list(backend.generate(requests())))
    assert reason is not None and reason.detail.startswith("10 of 10 prompts")


def test_a_batch_of_one_changes_nothing(load, rwkv: Path) -> None:
    backend = load(1, model=rwkv)
    model = backend.describe()
    assert (list(model_warnings(model)), "batch_effect" in model.details) == ([], False)
    assert batch_reason(model, list(backend.generate(requests()))) is None


def test_truncation_is_counted(load, plain) -> None:
    _, tokenizer = plain
    traces = list(load(4).generate(requests()))
    whole = [len(tokenizer(prompt)["input_ids"]) for prompt in PROMPTS]
    assert [t.prompt_tokens for t in traces] == [min(n, LIMIT_IN) for n in whole]
    assert [t.truncated_prompt_tokens for t in traces] == [max(0, n - LIMIT_IN) for n in whole]
    assert max(whole) > LIMIT_IN


def test_the_device_is_prepared_without_a_model(model_dir: Path) -> None:
    backend = PyTorchBackend(config(model_dir))
    assert isinstance(backend, DevicePreparing)
    backend.prepare_device()
    with pytest.raises(BackendError, match=r"before load\(\)"):
        backend.describe()
    backend.load()
    assert backend.describe().device == "cpu"
    backend.close()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_cannot_be_prepared(model_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match="device 'cuda' is asked for"):
        PyTorchBackend(config(model_dir, device="cuda")).prepare_device()


def test_a_batch_shares_its_times(load) -> None:
    traces = list(load(4).generate(requests()))
    assert len({t.dispatch_ns for t in traces}) == len({t.return_ns for t in traces}) == 3
    assert traces[0].return_ns <= traces[4].dispatch_ns
    assert all(t.token_times_ns is None for t in traces)
    # Tokenising comes before the model's work, and a batch's share of it adds up to the whole.
    for start in (0, 4, 8):
        batch = traces[start : start + 4]
        shares = [t.tokenization_ns or 0 for t in batch]
        assert min(shares) > 0 and sum(shares) < batch[0].return_ns - batch[0].dispatch_ns


def test_traces_come_batch_by_batch(load) -> None:
    stream = load(2).generate(requests())
    first = next(stream)
    assert first.return_ns <= time.monotonic_ns()
    with torch.enable_grad():
        assert not torch.is_inference_mode_enabled(), "the mode does not leak to the caller"
    assert next(stream).return_ns == first.return_ns
    assert next(stream).dispatch_ns > first.return_ns


SAMPLED = {"temperature": 0.7, "top_k": 0, "top_p": 0.9, "repetition_penalty": 1.3}


@pytest.mark.parametrize("batch_size", [1, 8])
def test_sampled_tokens_equal_plain_transformers(load, plain, batch_size: int) -> None:
    ours = answers_of(load(batch_size, decoder=SAMPLED, seed=7))
    torch.manual_seed(7)
    assert ours == plain_answers(plain, batch_size, **{**SAMPLED, "do_sample": True})


def test_top_k_zero_is_really_off(load, plain) -> None:
    """With the flat distribution of random weights, 50 of 1,026 tokens would be far too few."""
    decoder = {"temperature": 2.0, "top_k": 0}
    asked = requests(["The sea"], max_output_tokens=400, min_output_tokens=400)
    [(_, ids)] = answers_of(load(decoder=decoder, max_output_tokens=400), asked)
    [(_, few)] = answers_of(load(decoder={"temperature": 2.0}, max_output_tokens=400), asked)
    model, tokenizer = plain
    context = torch.tensor([tokenizer("The sea")["input_ids"] + list(ids)])
    assert _share_in_top_50(model, context, len(ids)) < 0.5
    context = torch.tensor([tokenizer("The sea")["input_ids"] + list(few)])
    assert _share_in_top_50(model, context, len(few)) == 1.0


def _share_in_top_50(model: Any, context: torch.Tensor, count: int) -> float:
    with torch.no_grad():
        logits = model(context).logits[0, -count - 1 : -1].clone()
    logits[:, 2] = -torch.inf  # min_output_tokens forbids the end
    best = logits.topk(50).indices
    chosen = context[0, -count:].unsqueeze(1)
    return float((best == chosen).any(1).float().mean())


def test_each_call_repeats_exactly_whatever_ran_before(load) -> None:
    backend = load(4, decoder={"temperature": 1.0}, seed=3)
    first = answers_of(backend)
    random.seed(), np.random.seed(), torch.seed()
    assert answers_of(backend) == first
    assert answers_of(load(4, decoder={"temperature": 1.0}, seed=4)) != first


@pytest.mark.parametrize("decoder", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("place", ["generation_config.json", "config.json"])
def test_decoding_of_the_checkpoint_does_not_leak(
    load, model_dir, tmp_path, decoder, place
) -> None:
    loaded_with = Path(shutil.copytree(model_dir, tmp_path / "opinionated"))
    opinions = {
        "temperature": 0.05,
        "top_k": 2,
        "top_p": 0.1,
        "min_p": 0.5,
        "typical_p": 0.3,
        "repetition_penalty": 9.0,
        "no_repeat_ngram_size": 2,
        "suppress_tokens": list(range(3, 500)),
        "max_length": 5,
        "max_new_tokens": 3,
        "min_new_tokens": 2,
        "num_beams": 3,
        "do_sample": True,
    }
    settings = json.loads((loaded_with / place).read_text())
    (loaded_with / place).write_text(json.dumps({**settings, **opinions}))
    if place == "config.json":
        (loaded_with / "generation_config.json").unlink()
    theirs = answers_of(load(4, model=loaded_with, decoder=decoder))
    assert theirs == answers_of(load(4, decoder=decoder))


@pytest.fixture
def two_ends(load, model_dir, tmp_path) -> tuple[Path, int]:
    """A checkpoint with a list of end tokens, the second of which really comes."""
    [(_, ids)] = answers_of(load(), requests(["One lamp."]))
    end = ids[5]
    folder = Path(shutil.copytree(model_dir, tmp_path / "two-ends"))
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(
        json.dumps({**settings, "eos_token_id": [2, end]})
    )
    return folder, end


@pytest.mark.parametrize("batch_size", [1, 8])
def test_every_end_of_sequence_id_ends(load, two_ends, batch_size: int) -> None:
    folder, end = two_ends
    backend = load(batch_size, model=folder)
    assert backend.describe().eos_token_ids == (2, end)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    theirs = (model, AutoTokenizer.from_pretrained(folder, padding_side="left"))
    assert answers_of(backend) == plain_answers(theirs, batch_size, eos=(2, end))
    traces = list(backend.generate(requests()))
    assert traces[0].output_token_ids[-1] == end
    assert len(traces[0].output_token_ids) <= 6
    reasons = {t.finish_reason for t in traces if end not in t.output_token_ids}
    assert traces[0].finish_reason == "stop" and reasons <= {"length"}


def test_min_output_tokens_holds_the_end_back(load, two_ends) -> None:
    folder, end = two_ends
    [trace] = load(model=folder).generate(requests(["One lamp."], min_output_tokens=12))
    assert len(trace.output_token_ids) >= 12
    assert end not in trace.output_token_ids[:12]


def test_requests_with_other_bounds_do_not_share_a_batch(load, plain) -> None:
    short = requests(PROMPTS[:2], max_output_tokens=3)
    long = [InferenceRequest(10 + i, p, LIMIT_OUT, 0, LIMIT_IN) for i, p in enumerate(PROMPTS[2:4])]
    traces = list(load(8).generate(short + long))
    assert [t.request_id for t in traces] == [0, 1, 10, 11]
    assert [len(t.output_token_ids) for t in traces] == [3, 3, LIMIT_OUT, LIMIT_OUT]
    assert len({t.dispatch_ns for t in traces}) == 2


def test_padding_with_the_end_token_is_not_counted(load, model_dir, tmp_path) -> None:
    folder = Path(shutil.copytree(model_dir, tmp_path / "no-pad"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert answers_of(load(8, model=folder)) == answers_of(load(8))


@pytest.fixture
def no_bos(model_dir, tmp_path) -> Path:
    folder = Path(shutil.copytree(model_dir, tmp_path / "no-bos"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**tokenizer, "post_processor": None}))
    return folder


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_prompt_without_tokens_fails_alone(load, no_bos, batch_size: int) -> None:
    backend = load(batch_size, model=no_bos)
    traces = list(backend.generate(requests(["One lamp.", "", "Why?"])))
    assert [t.request_id for t in traces] == [0, 1, 2]
    assert [t.error for t in traces] == [None, "the prompt has no tokens", None]
    others = answers_of(backend, requests(["One lamp.", "Why?"]))
    assert [(t.prompt_tokens, t.output_token_ids) for t in traces if not t.failed] == others


def test_a_prompt_beyond_the_models_positions_fails_alone(load) -> None:
    asked = requests(["a " * 9000, "Why?"], max_input_tokens=None)
    traces = list(load(4).generate(asked))
    assert "above the model's 8192 positions" in traces[0].error
    assert [t.failed for t in traces] == [True, False]


@pytest.fixture
def stranger(model_dir: Path, tmp_path: Path) -> Path:
    """A checkpoint whose tokenizer has a pad token and a word that the model does not know."""
    folder = Path(shutil.copytree(model_dir, tmp_path / "stranger"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zyzzyva"])
    tokenizer.add_special_tokens({"pad_token": "<far away>"})
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("batch_size", [1, 4])
def test_padding_that_the_model_does_not_know_costs_no_batch(load, stranger, batch_size) -> None:
    assert answers_of(load(batch_size, model=stranger)) == answers_of(load(batch_size))


def test_a_token_that_the_model_does_not_know_fails_alone(load, stranger) -> None:
    asked = requests(["One lamp.", "A zyzzyva", "Why?"])
    traces = list(load(4, model=stranger).generate(asked))
    assert [t.failed for t in traces] == [False, True, False]
    assert "do not belong together" in traces[1].error


def test_no_limit_of_positions_is_none(load, plain, tmp_path: Path) -> None:
    settings = {"vocab_size": 1026, "d_model": 64, "n_layer": 1, "n_head": 4}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    XLNetLMHeadModel(XLNetConfig(**settings, **ids)).save_pretrained(tmp_path / "xlnet")
    plain[1].save_pretrained(tmp_path / "xlnet")
    backend = load(model=tmp_path / "xlnet", dtype="float32")
    assert backend.describe().details["max_positions"] == "None"
    assert [trace.error for trace in backend.generate(requests(["Why?"], max_output_tokens=3))] == [
        None
    ]


def test_a_limit_below_the_special_tokens_is_not_broken_in_silence(
    load, model_dir, tmp_path
) -> None:
    folder = Path(shutil.copytree(model_dir, tmp_path / "two-specials"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    template = tokenizer["post_processor"]
    template["single"].append(template["single"][0])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    [trace] = load(model=folder).generate(requests(["Why?"], max_input_tokens=1))
    assert "leaves no room for special tokens" in trace.error
    [trace] = load(model=folder).generate(requests(["Why?"], max_input_tokens=2))
    assert (trace.prompt_tokens, trace.error) == (2, None)


def test_an_output_that_can_never_fit_is_refused_at_load(load) -> None:
    with pytest.raises(ConfigurationError, match=r"max_output_tokens \(8192\).* 8192"):
        load(max_output_tokens=8192)
    load(max_input_tokens=8000, max_output_tokens=8191)


class _Breaks:
    """Replaces the model's generate for the given calls."""

    def __init__(self, backend: PyTorchBackend, errors: dict[int, Exception]) -> None:
        self.model = backend._ready.loaded.model
        self.genuine, self.errors, self.calls = self.model.generate, errors, 0
        self.model.generate = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls in self.errors:
            raise self.errors[self.calls]
        return self.genuine(*args, **kwargs)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory.\nTried"), RuntimeError("shape"), MemoryError()],
    ids=["cuda-oom", "runtime", "memory"],
)
def test_a_batch_that_fails_is_traces_and_the_rest_goes_on(load, error: Exception) -> None:
    backend = load(4)
    _Breaks(backend, {2: error})
    traces = list(backend.generate(requests()))
    assert [t.failed for t in traces] == [False] * 4 + [True] * 4 + [False] * 2
    assert type(error).__name__ in traces[4].error
    assert "\n" not in traces[4].error
    assert traces[4].return_ns >= traces[4].dispatch_ns


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error: device-side assert triggered"), AttributeError("no such thing")],
)
def test_a_broken_engine_is_an_error(load, error: Exception) -> None:
    backend = load(4)
    _Breaks(backend, {1: error})
    with pytest.raises(BackendError, match="failed"):
        list(backend.generate(requests()))


def test_it_describes_what_it_runs(load, model_dir: Path, plain) -> None:
    import transformers

    info = load().describe()
    assert info.path == str(model_dir)
    assert info.revision is None
    assert info.parameters == sum(p.numel() for p in plain[0].parameters())
    assert (info.dtype, info.device, info.eos_token_ids) == ("float32", "cpu", (2,))
    assert info.engine_version == transformers.__version__
    assert info.threads == torch.get_num_threads()
    assert info.details["torch"] == torch.__version__


@pytest.mark.parametrize(
    ("asked", "used"),
    [("auto", "float32"), ("float32", "float32"), ("float16", "float16"), ("bfloat16", "bfloat16")],
)
def test_dtype(load, model_dir, tmp_path, asked: str, used: str) -> None:
    """A CPU gets float32 by default even from a checkpoint in half precision."""
    folder = Path(shutil.copytree(model_dir, tmp_path / "half"))
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    assert load(model=folder, dtype=asked).describe().dtype == used


def test_memory_and_size(load) -> None:
    backend = load()
    metrics = backend.compute_metrics()
    assert metrics.model_parameters == backend.describe().parameters
    assert metrics.peak_memory_source == "process_peak_rss"
    assert metrics.peak_memory_bytes > 4 * metrics.model_parameters
    assert metrics.flops_total is None and metrics.flops_reason


def test_a_device_that_is_not_there_is_refused(load) -> None:
    absent = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(ConfigurationError, match=f"device '{absent}'"):
        load(device=absent)


def test_close_frees_and_refuses(load) -> None:
    backend = load()
    backend.close()
    backend.close()
    backend.synchronize()
    for use in (backend.describe, backend.compute_metrics, lambda: backend.generate([])):
        with pytest.raises(BackendError, match="before load"):
            use()


def test_a_missing_model_is_found_before_weights_are_read(load, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="does not exist"):
        load(model=tmp_path / "none")


QUIET = """
import sys
from llenergymeasure.config.models import config_model
from llenergymeasure.core.inference_backends.pytorch.backend import PyTorchBackend
from llenergymeasure.domain.trace import InferenceRequest
assert "torch" not in sys.modules, "importing the backend is light"
backend = PyTorchBackend(config_model("pytorch").model_validate({
    "config_name": "t", "model_name": "builtin:tiny-llama", "device": "cpu",
    "decoder": {"temperature": 0.0}, "max_output_tokens": 4, "pytorch": {"batch_size": 2}}))
backend.load()
asked = [InferenceRequest(i, "a " * 9000, 4, max_input_tokens=20) for i in range(3)]
assert len([t for t in backend.generate(asked) if not t.failed]) == 3
assert backend.describe().path
backend.close()
"""


def test_it_is_silent_on_a_pipe(model_dir: Path) -> None:
    cache = model_dir.parents[2]
    child = subprocess.run(
        [sys.executable, "-c", QUIET],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda(load, model_dir, tmp_path) -> None:
    folder = Path(shutil.copytree(model_dir, tmp_path / "half"))
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    backend = load(4, model=folder, device="auto")
    info = backend.describe()
    assert (info.dtype, info.device) == ("bfloat16", "cuda:0")
    assert info.details["device_name"]
    traces = list(backend.generate(requests()))
    backend.synchronize()
    assert not any(t.failed for t in traces)
    metrics = backend.compute_metrics()
    assert metrics.peak_memory_source == "cuda_max_memory_allocated"
    assert 2 * info.parameters < metrics.peak_memory_bytes < 2**31
    backend.close()
    assert torch.cuda.memory_allocated() < 2 * info.parameters


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_running_out_of_cuda_memory_is_a_failed_batch(load) -> None:
    bounds = {"max_input_tokens": 4000, "max_output_tokens": 8}
    backend = load(16, device="cuda", **bounds)
    large = requests(["a " * 3000] * 16, **bounds)
    small = [InferenceRequest(99, "Why?", 4)]
    whole_bytes = torch.cuda.get_device_properties(0).total_memory
    # Enough for the weights and the libraries' own buffers, not for 16 caches of 3,000 tokens.
    torch.cuda.set_per_process_memory_fraction(160e6 / whole_bytes)
    try:
        traces = list(backend.generate([*large, *small]))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert all("OutOfMemoryError" in trace.error for trace in traces[:16])
    assert not traces[16].failed
