"""What a model's folder holds, looked at before an engine fails on it in words of its own.

No engine is imported: the first bytes of each file say enough.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llenergymeasure.exceptions import ConfigurationError, ModelNotFoundError

_CONFIG = "config.json"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_INDICES = tuple(f"{name}.index.json" for name in _WEIGHTS)
_ADAPTER = "adapter_config.json"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# Forms that other programs read, and what is to be named instead.
_OTHER_FORMS = {
    "*.gguf": "GGUF, of llama.cpp",
    "consolidated.*": "its maker's own form",
    "*.onnx": "ONNX",
    "tf_model.h5": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "model_index.json": "a pipeline of diffusers",
}
_OTHER_TASK = re.compile(
    r"For(MaskedLM|PreTraining|QuestionAnswering|MultipleChoice|NextSentencePrediction|CTC"
    r"|\w*(Classification|Detection|Segmentation))$"
)
_SAVE = "save both with model.save_pretrained(DIR) and tokenizer.save_pretrained(DIR)"
_ORIGINAL = "name the checkpoint in the form of transformers (config.json and *.safetensors)"
_AGAIN = "download or save the model again"


def check_directory(path: Path, *, weights: bool = True, again: str = "") -> None:
    """Name what a model directory lacks, or holds instead.

    Args:
        path: The directory.
        weights: False needs no weights in it.
        again: How to bring its files here again, where they came from a hub.

    Raises:
        ModelNotFoundError: It lacks a file, or one is not whole.
        ConfigurationError: It is a model for another task.
    """
    _refuse_pointers(path, again)
    _refuse_adapter(path)
    missing = [] if (path / _CONFIG).is_file() else [_CONFIG]
    if not any((path / name).is_file() for name in _TOKENIZER_FILES):
        missing.append("a tokenizer (tokenizer.json or tokenizer.model)")
    missing += _missing_weights(path) if weights else []
    if missing:
        instead = _other_form(path)
        raise ModelNotFoundError(
            f"the model directory {path} lacks {', '.join(missing)}"
            + (f", and holds {instead}" if instead else ""),
            hint=again or (_ORIGINAL if instead else _SAVE),
        )
    _refuse_other_tasks(path, _read_json(path / _CONFIG, again))
    if weights:
        for file in _weight_files(path):
            _refuse_cut(file, again)


def _refuse_pointers(path: Path, again: str) -> None:
    names = sorted(file.name for file in path.glob("*") if _is_pointer(file))
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise ModelNotFoundError(
            f"in {path} there are only Git LFS pointers for {', '.join(names[:3])}{more}: their "
            "contents were not fetched",
            hint=again or f"fetch them: git -C {path} lfs pull",
        )


def _is_pointer(file: Path) -> bool:
    try:
        if not file.is_file() or file.stat().st_size > 1024:
            return False
        return file.read_bytes().startswith(_LFS_POINTER)
    except OSError:
        return False


def _refuse_adapter(path: Path) -> None:
    if not (path / _ADAPTER).is_file():
        return
    try:
        base = json.loads((path / _ADAPTER).read_text("utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        base = None
    what = "an adapter beside weights" if _has_weights(path) else "an adapter and not a model"
    raise ModelNotFoundError(
        f"{path} holds {what}" + (f"; it belongs to {base}" if base else ""),
        hint="merge it into its model with PEFT (merge_and_unload), save that with "
        "save_pretrained, and name that folder",
    )


def _has_weights(path: Path) -> bool:
    return any((path / name).is_file() for name in (*_WEIGHTS, *_INDICES))


def _missing_weights(path: Path) -> list[str]:
    if not _has_weights(path) and not _names_its_weights(path):
        return ["weights (model.safetensors or pytorch_model.bin, or the index of their parts)"]
    try:
        return [file.name for file in _weight_files(path) if not file.is_file()]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return ["a readable index of the weights (*.index.json)"]


def _names_its_weights(path: Path) -> bool:
    """Whether the config names a file of weights itself, as transformers allows."""
    try:
        return "transformers_weights" in json.loads((path / _CONFIG).read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _weight_files(path: Path) -> list[Path]:
    """The files that are going to be read, by transformers' order of preference."""
    for name, index in zip(_WEIGHTS, _INDICES, strict=True):
        if (path / name).is_file():
            return [path / name]
        if (path / index).is_file():
            parts = set(json.loads((path / index).read_text("utf-8"))["weight_map"].values())
            return sorted(path / part for part in parts)
    return []


def _other_form(path: Path) -> str | None:
    for pattern, form in _OTHER_FORMS.items():
        found = next(iter(sorted(path.glob(pattern))), None)
        if found is not None:
            return f"{found.name} ({form})"
    return None if any(path.iterdir()) else "nothing"


def _read_json(file: Path, again: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(f"{file} cannot be read: {error}", hint=again or _AGAIN) from error
    if not isinstance(content, dict):
        raise ModelNotFoundError(f"{file} holds no config of a model", hint=again or _AGAIN)
    return content


def _refuse_other_tasks(path: Path, config: dict[str, Any]) -> None:
    named = config.get("architectures") or [""]
    name = str(named[0]) if isinstance(named, list) else str(named)
    other = _OTHER_TASK.search(name)
    both = config.get("is_encoder_decoder") is True and not name.endswith("ForCausalLM")
    if other or both:
        what = f"{name}, " if name else ""
        why = "which has an encoder of its own" if both else "which is made for another task"
        raise ConfigurationError(
            f"the model in {path} is not a causal language model: its config.json says {what}{why}",
            hint="choose a model that continues a text (its architecture ends in ForCausalLM or "
            "LMHeadModel)",
        )


def _refuse_cut(file: Path, again: str) -> None:
    fault = _fault_of(file)
    if fault is not None:
        raise ModelNotFoundError(f"{file} {fault}", hint=again or _AGAIN)


def _fault_of(file: Path) -> str | None:
    size = file.stat().st_size
    if not size:
        return "is empty"
    if file.suffix == ".safetensors":
        expected = next(_whole_sizes(file), None)
        if expected is None:
            return "is no safetensors file, or is cut off"
        return None if size >= expected else f"is cut off: {size:,} of {expected:,} bytes"
    with file.open("rb") as opened:
        is_archive = opened.read(2) == b"PK"
    return "is cut off" if is_archive and not zipfile.is_zipfile(file) else None


def _whole_sizes(file: Path) -> Iterator[int]:
    """The size that the file's own header tells; nothing if it has none."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > min(file.stat().st_size - 8, 100_000_000):
            return
        try:
            header = json.loads(opened.read(length))
            ends = [entry["data_offsets"][1] for key, entry in header.items() if key[:2] != "__"]
            yield 8 + length + max(ends, default=0)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return
