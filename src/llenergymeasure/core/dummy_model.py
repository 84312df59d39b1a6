"""A model's architecture with random weights: the same arithmetic, and nothing to say.

Nothing but the config and the tokenizer is needed. The weights are drawn on the device itself, in
the dtype asked for, so that no memory of the host is spent on them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llenergymeasure.core.model_limits import choose_pad, known_ids, mend_pad_id
from llenergymeasure.core.model_loader import LoadedModel, load_tokenizer, loading_error
from llenergymeasure.core.quiet import quieten_transformers
from llenergymeasure.exceptions import ConfigurationError


def load_dummy_model(
    path: Path, dtype: str, device: Any, seed: int, *, trust_remote_code: bool = False
) -> LoadedModel:
    """Build the model that a directory's config describes, with random weights.

    Args:
        path: Directory with ``config.json`` and a tokenizer.
        dtype: ``float32``, ``float16``, ``bfloat16``, or ``auto`` for the config's own.
        device: The ``torch.device`` to make it on.
        seed: Seed of the weights; the same on the same kind of device gives the same.
        trust_remote_code: Run the code that lies in the directory.

    Raises:
        ConfigurationError: The config is not that of a causal language model that transformers
            knows, or is one of a quantized checkpoint.
        BackendError: It cannot be made for another reason, such as too little memory.
    """
    quieten_transformers()
    try:
        model = _random_model(path, dtype, device, seed, trust_remote_code)
        tokenizer = load_tokenizer(path, trust_remote_code=trust_remote_code)
        choose_pad(tokenizer, known_ids(model))
        return LoadedModel(model.eval(), tokenizer)
    except ConfigurationError:
        raise
    except Exception as error:
        raise loading_error(path, error) from error


def _random_model(path: Path, dtype: str, device: Any, seed: int, trust_remote_code: bool) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    config = AutoConfig.from_pretrained(
        path, local_files_only=True, trust_remote_code=trust_remote_code
    )
    mend_pad_id(config)
    if getattr(config, "quantization_config", None) is not None:
        raise ConfigurationError(
            f"the model in {path} is quantized, and load_format 'dummy' makes dense weights",
            hint="name the checkpoint that it was quantized from, or set 'load_format: auto'",
        )
    own = getattr(config, "dtype", None) or torch.float32
    devices = [device] if device.type == "cuda" else []
    # The caller's generator is left as it was.
    with torch.random.fork_rng(devices=devices), torch.device(device):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(
            config,
            dtype=own if dtype == "auto" else getattr(torch, dtype),
            trust_remote_code=trust_remote_code,
        )
    if (path / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(path, local_files_only=True)
    return model
