"""The built-in model: a small Llama with random weights, made on first use.

It writes nonsense, but it does the arithmetic of a real model through the same files and the
same code, so that a measurement works on a machine that reaches no model hub.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.constants import BUILTIN_MODEL_PREFIX
from llenergymeasure.core.quiet import quieten_transformers
from llenergymeasure.exceptions import ModelNotFoundError, StorageError

_SEED = 20_260_101
# An upper bound: the text has fewer pairs that occur twice.
_VOCABULARY = 2048
_MAX_POSITIONS = 8192
_INITIALIZER_STD = 0.02
# Making it takes seconds; somebody who holds the lock for longer than this is stuck.
_LOCK_TIMEOUT_S = 120.0

_BOS, _EOS, _PAD = "<s>", "</s>", "<pad>"
_SPECIAL = (_PAD, _BOS, _EOS)


def builtin_model_path(name: str) -> Path:
    """The directory of a built-in model, which is made if it is not there yet.

    Args:
        name: With or without the prefix ``builtin:``.

    Raises:
        ModelNotFoundError: There is no built-in model of that name.
        StorageError: The user's cache cannot be written.
    """
    target = _target(name)
    if not target.is_dir():
        _make_once(target, _MAKERS[check_builtin_name(name)][1])
    return target


def find_builtin(name: str) -> Path | None:
    """The directory of a built-in model if it was made before.

    Raises:
        ModelNotFoundError: There is no built-in model of that name.
    """
    target = _target(name)
    return target if target.is_dir() else None


def _target(name: str) -> Path:
    short = check_builtin_name(name)
    version, _ = _MAKERS[short]
    return user_cache_path("llenergymeasure") / "models" / f"{short}-{version}"


def check_builtin_name(name: str) -> str:
    """The name of a built-in model without the prefix.

    Raises:
        ModelNotFoundError: There is no built-in model of that name.
    """
    short = name.removeprefix(BUILTIN_MODEL_PREFIX)
    if short not in _MAKERS:
        raise ModelNotFoundError(
            f"there is no built-in model {short!r}{did_you_mean(short, _MAKERS)}",
            hint=f"known: {', '.join(BUILTIN_MODEL_PREFIX + known for known in sorted(_MAKERS))}",
        )
    return short


def _make_once(target: Path, make: Callable[[Path], None]) -> None:
    from filelock import FileLock, Timeout

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{target.name}.lock", timeout=_LOCK_TIMEOUT_S):
            if not target.is_dir():
                _make_aside(target, make)
    except Timeout as error:
        raise StorageError(
            f"another process has been making {target} for more than {_LOCK_TIMEOUT_S:.0f} s",
            hint=f"end that process, or delete {error.lock_file}",
        ) from error
    except OSError as error:
        raise StorageError(
            f"cannot make the built-in model in {target}: {error.strerror or error}",
            hint="free space there, or point XDG_CACHE_HOME to a folder that can be written",
        ) from error


def _make_aside(target: Path, make: Callable[[Path], None]) -> None:
    # Seen whole or not at all: a killed process leaves a temporary folder, never half a model.
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        make(aside)
        _settle(aside)
        aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _settle(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
        # safetensors makes files that only their owner can read.
        path.chmod(0o644)
    folder.chmod(0o755)


def _make_tiny_llama(folder: Path) -> None:
    quieten_transformers()
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    _llama(tokenizer).save_pretrained(folder)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    text = files("llenergymeasure.core").joinpath("builtin_text.txt").read_text("utf-8")
    raw.train_from_iterator(text.splitlines(keepends=True), trainer)
    raw.post_processor = processors.TemplateProcessing(
        single=f"{_BOS} $A", pair=f"{_BOS} $A $B", special_tokens=[(_BOS, raw.token_to_id(_BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token=_BOS,
        eos_token=_EOS,
        pad_token=_PAD,
        model_max_length=_MAX_POSITIONS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _llama(tokenizer: Any) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=_MAX_POSITIONS,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    # The constructor draws from the caller's generator; forked, the caller does not notice.
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    _fill(model)
    return model.eval()


def _fill(model: Any) -> None:
    import numpy as np
    import torch

    # RandomState, since its stream is frozen for good; torch's depends on its version and the CPU.
    random = np.random.RandomState(_SEED)
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            if parameter.ndim == 1:
                parameter.fill_(1.0)
                continue
            values = random.standard_normal(tuple(parameter.shape)) * _INITIALIZER_STD
            parameter.copy_(torch.from_numpy(values.astype(np.float32)))


# A change of what is made needs a new version: the old directory is in the results of others.
_MAKERS: dict[str, tuple[str, Callable[[Path], None]]] = {"tiny-llama": ("v1", _make_tiny_llama)}
