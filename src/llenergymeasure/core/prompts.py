"""The prompts of an experiment: our own set, or a file of the user's. Never a silent default."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from llenergymeasure.config.models import PromptsConfig
from llenergymeasure.core.prompt_file import ParsedPrompts, parse_prompts
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.exceptions import PromptSourceError

BUILTIN_NAME = "everyday"
_BUILTIN_FILE = "builtin_prompts.jsonl"


def load_prompts(
    prompts: PromptsConfig, num_prompts: int | None, base_dir: Path | None
) -> tuple[list[str], PromptsInfo]:
    """Read the prompts that a config asks for.

    Args:
        prompts: The ``prompts`` section.
        num_prompts: The first so many; None takes all.
        base_dir: Folder of the config file, where relative paths start; None if there is none.

    Raises:
        PromptSourceError: They cannot be read, or there are too few.
    """
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
    )
    return used, info


def _resolve(path_text: str, base_dir: Path | None) -> Path:
    """The file meant: absolute as given, else beside the config, else in the working directory."""
    folders = [folder for folder in (base_dir, Path.cwd()) if folder is not None]
    try:
        path = Path(path_text).expanduser()
        candidates = list(dict.fromkeys((folder / path).resolve() for folder in folders))
        found = [candidate for candidate in candidates if candidate.exists()]
    except (OSError, RuntimeError, ValueError) as error:
        raise PromptSourceError(f"prompts.path: cannot look for {path_text!r}: {error}") from error
    if found:
        return found[0]
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


def _first(parsed: ParsedPrompts, num_prompts: int | None, source: str) -> list[str]:
    available = len(parsed.texts)
    if num_prompts is not None and num_prompts > available:
        raise PromptSourceError(
            f"num_prompts is {num_prompts}, but {source} holds {available} prompts",
            hint=f"set num_prompts to {available} or less, or leave it out to take them all",
        )
    return list(parsed.texts[:num_prompts])


def _digest(texts: list[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
