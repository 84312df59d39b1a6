"""Keys that people bring from other configs and that are not offered here, each with its reason.

A key stands here so that its error says more than "unknown key". It leaves this table when it
gets an effect.
"""

from __future__ import annotations

from typing import Final

from llenergymeasure.config.problems.nearest_keys import squash

_LATER = "not supported yet, and refused rather than ignored"
_NATIVE = "vLLM and TensorRT-LLM are not supported yet; remove the section"
_QUANTIZATION = f"{_LATER}; load a checkpoint that is quantized already"
_GENERATION = f"{_LATER}; decoder.* holds what is offered"

# Dotted key -> what to say. A key also covers everything below it.
NOT_OFFERED: Final[dict[str, str]] = {
    "adapter": f"{_LATER}; merge the adapter into the model and name its folder",
    "gpus": "choose GPUs with CUDA_VISIBLE_DEVICES and 'device: cuda'",
    "query_rate": f"{_LATER}; requests are dispatched as one offline batch",
    "save_outputs": f"{_LATER}; the generated token ids are always in the Parquet file",
    "decode_token_to_text": f"{_LATER}; the generated token ids are always in the Parquet file",
    "streaming": f"{_LATER}; E2E latency is measured; TTFT and ITL need streaming",
    "streaming_warmup_requests": f"{_LATER}; warmup.prompts sets the warm-up",
    "traffic_simulation": f"{_LATER}; requests are dispatched as one offline batch",
    "schedule": "use a system timer (cron, systemd) to repeat a run",
    "vllm": _NATIVE,
    "tensorrt": _NATIVE,
    "baseline.sample_interval_ms": "idle power is read by the run's own energy source, at its own "
    "rate; energy.nvml.interval_ms and its like set that",
    "pytorch.batching_strategy": f"{_LATER}; batches are static, in the order of the prompts",
    "pytorch.max_tokens_per_batch": f"{_LATER}; batches are static, set pytorch.batch_size",
    "pytorch.num_processes": f"{_LATER}; one process runs",
    "pytorch.load_in_4bit": _QUANTIZATION,
    "pytorch.load_in_8bit": _QUANTIZATION,
    "pytorch.bnb_4bit_compute_dtype": _QUANTIZATION,
    "pytorch.bnb_4bit_quant_type": _QUANTIZATION,
    "pytorch.bnb_4bit_use_double_quant": _QUANTIZATION,
    "pytorch.attn_implementation": f"{_LATER}; transformers chooses the attention",
    "pytorch.torch_compile": _LATER,
    "pytorch.torch_compile_backend": _LATER,
    "pytorch.use_cache": f"{_LATER}; the KV cache is on",
    "pytorch.cache_implementation": f"{_LATER}; the KV cache is transformers' default",
    "pytorch.low_cpu_mem_usage": "transformers always loads this way now",
    "pytorch.max_memory": _LATER,
    "pytorch.min_p": _GENERATION,
    "pytorch.no_repeat_ngram_size": _GENERATION,
    "pytorch.output_scores": _GENERATION,
    "pytorch.return_dict": _GENERATION,
    "pytorch.beam_search": _GENERATION,
    "pytorch.assisted_generation": _GENERATION,
    "pytorch.use_bettertransformer": "BetterTransformer is gone from transformers; "
    "its attention is the default now",
    "pytorch.extra": "unknown engine options are not passed through unseen; "
    "ask for the one that you need",
}


def why_not_offered(key: str) -> str | None:
    """The reason why ``key`` or something above it is not offered; None if it is not known."""
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        reason = NOT_OFFERED.get(".".join(parts[:end]))
        if reason:
            return reason
    return None


def not_offered_elsewhere(name: str) -> str | None:
    """What to say of a key of another section that is given without it; None if there is none."""
    for key, reason in NOT_OFFERED.items():
        if squash(key.rpartition(".")[2]) == squash(name):
            return f"{key}: {reason}"
    return None
