"""The prompts of an experiment, from whichever source. Never a silent default."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from llenergymeasure.config.prompt_models import PromptsConfig
from llenergymeasure.core.prompt_sources.file import ParsedPrompts, parse_prompts
from llenergymeasure.core.prompt_sources.paths import candidate_paths, find_path
from llenergymeasure.core.prompt_sources.synthetic import synthetic_prompts
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.domain.prompt import Chat, Prompt, SyntheticPrompt
from llenergymeasure.exceptions import PromptSourceError

BUILTIN_NAME = "everyday"
_BUILTIN_FILE = "builtin_prompts.jsonl"

Prompts = tuple[list[Prompt], PromptsInfo]


def load_prompts(prompts: PromptsConfig, num_prompts: int | None, base_dir: Path | None) -> Prompts:
    """Read the prompts that a config asks for.

    Args:
        prompts: The ``prompts`` section.
        num_prompts: The first so many; None takes all.
        base_dir: Folder of the config file, where relative paths start; None if there is none.

    Raises:
        PromptSourceError: They cannot be read, or there are too few.
        HubUnreachableError: The hub does not answer, and the dataset is not in the cache.
        StorageError: The cache of datasets cannot be written.
    """
    if prompts.type == "huggingface":
        return _from_dataset(prompts, num_prompts, base_dir)
    if prompts.type == "synthetic":
        return _synthetic(prompts, num_prompts)
    return _from_file(prompts, num_prompts, base_dir)


def pin_source(prompts: PromptsConfig, info: PromptsInfo) -> PromptsConfig:
    """The section that leads to the same source again, from any folder and at any time."""
    if prompts.type == "file":
        return prompts.model_copy(update={"path": info.source})
    if prompts.type == "huggingface" and info.revision is not None:
        return prompts.model_copy(update={"revision": info.revision})
    if prompts.type == "huggingface":
        return prompts.model_copy(update={"dataset": info.source})
    return prompts


def _from_file(prompts: PromptsConfig, num_prompts: int | None, base_dir: Path | None) -> Prompts:
    if prompts.path is None:
        source = f"builtin:{BUILTIN_NAME}"
        data = resources.files(__package__).joinpath(_BUILTIN_FILE).read_bytes()
        parsed = parse_prompts(data, Path(_BUILTIN_FILE), "prompt")
    else:
        path = _resolve(prompts.path, base_dir)
        source = str(path)
        data = _read(path)
        parsed = parse_prompts(data, path, prompts.column)
    used = _first(parsed, num_prompts, source)
    info = PromptsInfo(
        source=source,
        count=len(used),
        sha256=hashlib.sha256(data).hexdigest(),
        used_sha256=_digest(used),
        available=len(parsed.texts),
        column=None if prompts.path is None else parsed.column,
        dropped={"blank": parsed.blank} if parsed.blank else {},
        unused=len(parsed.texts) - len(used),
        files_read=None if prompts.path is None else 1,
    )
    return used, info


def _from_dataset(
    prompts: PromptsConfig, num_prompts: int | None, base_dir: Path | None
) -> Prompts:
    # Here, since "lem config validate" and the like never load a prompt.
    from llenergymeasure.core.dataset_loader import load_dataset_prompts

    found = load_dataset_prompts(prompts, num_prompts, base_dir)
    info = PromptsInfo(
        source=found.source,
        count=len(found.prompts),
        used_sha256=_digest(found.prompts),
        available=found.rows,
        column=found.column,
        revision=found.revision,
        subset=found.subset,
        split=found.split,
        skipped=sum(found.dropped.values()),
        dropped=found.dropped,
        unused=found.unused,
        files_read=found.files_read,
        files_left_out=found.files_left_out,
    )
    return found.prompts, info


def _synthetic(prompts: PromptsConfig, num_prompts: int | None) -> Prompts:
    if num_prompts is None:
        raise PromptSourceError("synthetic prompts need num_prompts: how many to make")
    made: list[Prompt] = [*synthetic_prompts(prompts, num_prompts)]
    info = PromptsInfo(
        source="synthetic", count=len(made), used_sha256=_digest(made), available=len(made)
    )
    return made, info


def _resolve(path_text: str, base_dir: Path | None) -> Path:
    """The file meant: absolute as given, else beside the config, else in the working directory."""
    found = find_path(path_text, base_dir, "prompts.path")
    if found is not None:
        return found
    candidates = candidate_paths(path_text, base_dir, "prompts.path")
    raise PromptSourceError(
        f"prompts.path: no file {' nor '.join(str(candidate) for candidate in candidates)}",
        hint="a relative path starts at the config file's folder, then at the working directory",
    )


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise PromptSourceError(
            f"prompts.path: {path} is a folder", hint="name a file: text or JSONL"
        )
    if not path.is_file():
        # A pipe would be empty when the measuring process reads it again, or block for ever.
        raise PromptSourceError(
            f"prompts.path: {path} is not a regular file", hint="write its content to a file"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise PromptSourceError(
            f"prompts.path: cannot read {path}: {error.strerror or error}"
        ) from error


def _first(parsed: ParsedPrompts, num_prompts: int | None, source: str) -> list[Prompt]:
    available = len(parsed.texts)
    if num_prompts is not None and num_prompts > available:
        raise PromptSourceError(
            f"num_prompts is {num_prompts}, but {source} holds {available} prompts",
            hint=f"set num_prompts to {available} or less, or to null to take them all",
        )
    return list(parsed.texts[:num_prompts])


def _digest(prompts: Sequence[Prompt]) -> str:
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(_identity(prompt).encode() + b"\0")
    return digest.hexdigest()


def _identity(prompt: Prompt) -> str:
    """A text that two prompts share only if they ask the same."""
    if isinstance(prompt, Chat):
        turns = [[message.role, message.content] for message in prompt.messages]
        return json.dumps(turns, ensure_ascii=False)
    if isinstance(prompt, SyntheticPrompt):
        return json.dumps([prompt.input_tokens, prompt.output_tokens, prompt.text])
    return prompt
