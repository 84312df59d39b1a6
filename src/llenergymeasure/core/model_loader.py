"""From a model's name to a loaded Hugging Face model: find its directory, check it, load it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llenergymeasure.constants import BUILTIN_MODEL_PREFIX
from llenergymeasure.core.builtin_model import builtin_model_path, check_builtin_name, find_builtin
from llenergymeasure.core.hub import find_cached, find_offline, hint_to_fetch, resolve_hub_model
from llenergymeasure.core.model_folder import check_directory
from llenergymeasure.core.model_limits import choose_pad, known_ids
from llenergymeasure.core.model_weights import load_weights
from llenergymeasure.core.quiet import quieten_transformers
from llenergymeasure.exceptions import BackendError, ConfigurationError, ModelNotFoundError
from llenergymeasure.security import expand_home


@dataclass(frozen=True)
class LocatedModel:
    """Where a model lies.

    Attributes:
        path: Its directory.
        revision: The resolved commit of a hub model; None for a directory or a built-in.
    """

    path: Path
    revision: str | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, ready to generate, and its tokenizer.

    Attributes:
        unused_weights: Names of weights of the checkpoint that have no place in the model.
    """

    model: Any
    tokenizer: Any
    unused_weights: tuple[str, ...] = ()


def check_model(name: str, revision: str | None = None, *, weights: bool = True) -> None:
    """Refuse what can be refused without an engine and without asking the hub.

    Args:
        name: The model, as the user wrote it.
        revision: Branch, tag or commit of a hub model.
        weights: False needs none in a directory.

    Raises:
        ModelNotFoundError: There is no such built-in model or directory, or it lacks a file.
        ConfigurationError: ``revision`` is given for a model that has none.
        HubUnreachableError: The hub is switched off, and the model is not in the cache.
    """
    if name.startswith(BUILTIN_MODEL_PREFIX):
        _refuse_revision(name, revision)
        check_builtin_name(name)
    elif is_local(name):
        locate_model(name, revision, weights=weights)
    elif (cached := find_offline(name, revision, weights=weights)) is not None:
        check_directory(cached.path, weights=weights, again=hint_to_fetch(name, revision))


def locate_model(
    name: str, revision: str | None = None, *, weights: bool = True, code: bool = False
) -> LocatedModel:
    """Find the directory of a model: ``builtin:NAME``, a path, or a hub id.

    Args:
        name: The model, as the user wrote it.
        revision: Branch, tag or commit of a hub model.
        weights: False leaves a hub model's weights where they are, and needs none in a directory.
        code: Bring a hub model's own code too.

    Raises:
        ModelNotFoundError: There is no such model, or its directory lacks a file.
        ConfigurationError: ``revision`` is given for a model that has none.
        HubUnreachableError: The hub does not answer and the model is not in the cache.
    """
    if name.startswith(BUILTIN_MODEL_PREFIX):
        _refuse_revision(name, revision)
        located, again = LocatedModel(builtin_model_path(name)), ""
    elif is_local(name):
        _refuse_revision(name, revision)
        located, again = LocatedModel(_local_directory(name)), ""
    else:
        found = resolve_hub_model(name, revision, weights=weights, code=code)
        located, again = LocatedModel(found.path, found.commit), hint_to_fetch(name, revision)
    check_directory(located.path, weights=weights, again=again)
    return located


def find_folder(name: str, revision: str | None = None) -> Path | None:
    """The folder of a model that is on this disk, with its weights or without; asks no hub."""
    if name.startswith(BUILTIN_MODEL_PREFIX):
        return find_builtin(name)
    if is_local(name):
        return expand_home(name).absolute()
    return find_cached(name, revision)


def is_local(name: str) -> bool:
    """Whether a model name means a directory: it looks like a path, or there is one."""
    if name in (".", "..") or name.startswith(("/", "./", "../", "~")):
        return True
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):  # a name too long, a NUL byte
        return False


def _local_directory(name: str) -> Path:
    try:
        path = Path(name).expanduser().absolute()
    except RuntimeError as error:
        raise ModelNotFoundError(f"there is no home directory for {name}") from error
    try:
        found, there = path.is_dir(), path.exists()
    except (OSError, ValueError) as error:  # a name too long, a NUL byte
        raise ModelNotFoundError(
            f"the model directory {str(path)!r} cannot be one: {error}"
        ) from error
    if not found:
        what = "is not a directory" if there else "does not exist"
        raise ModelNotFoundError(
            f"the model directory {path} {what}",
            hint="give the directory that holds config.json, a hub id, or builtin:tiny-llama",
        )
    return path


def _refuse_revision(name: str, revision: str | None) -> None:
    if revision is not None:
        raise ConfigurationError(
            f"revision {revision!r} is given, but {name} is not a model of the hub",
            hint="remove 'revision'",
        )


def load_model(
    path: Path, dtype: str, device: Any, *, trust_remote_code: bool = False
) -> LoadedModel:
    """Load the checkpoint and the tokenizer of a checked directory.

    Args:
        path: The directory; nothing outside it is read.
        dtype: ``float32``, ``float16``, ``bfloat16``, or ``auto`` for the checkpoint's own.
        device: The ``torch.device`` to put it on.
        trust_remote_code: Run the code that lies in the directory.

    Raises:
        ModelNotFoundError: The checkpoint does not hold all the weights.
        ConfigurationError: It is not a causal language model that transformers knows.
        BackendError: It cannot be loaded for another reason, such as too little memory.
    """
    quieten_transformers()
    try:
        tokenizer = load_tokenizer(path, trust_remote_code=trust_remote_code)
        model, unused = load_weights(path, dtype, trust_remote_code)
        model = model.to(device).eval()
        choose_pad(tokenizer, known_ids(model))
    except (ModelNotFoundError, ConfigurationError):
        raise
    except Exception as error:
        raise loading_error(path, error) from error
    return LoadedModel(model, tokenizer, unused)


def load_tokenizer(path: Path, *, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a directory, padding on the left."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        path, local_files_only=True, trust_remote_code=trust_remote_code, padding_side="left"
    )


def loading_error(path: Path, error: Exception) -> Exception:
    """What transformers said about a model, as an error of ours."""
    text = str(error).strip()
    first = text.splitlines()[0] if text else type(error).__name__
    if "trust_remote_code" in text:
        return ConfigurationError(
            f"the model in {path} needs code of its own, which is not run unless you ask for it",
            hint="set 'trust_remote_code: true' if you have read that code and trust it, or choose "
            "a model whose architecture is part of transformers",
        )
    if isinstance(error, ValueError) and ("nrecognized" in text or "does not recognize" in text):
        return ConfigurationError(
            f"the model in {path} is not a causal language model that transformers knows: {first}",
            hint="choose a text-generation model, or a newer transformers",
        )
    return BackendError(f"the model in {path} cannot be loaded: {type(error).__name__}: {first}")
