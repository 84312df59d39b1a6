"""Finding a file or folder that the ``prompts`` section names."""

from __future__ import annotations

from pathlib import Path

from llenergymeasure.exceptions import PromptSourceError


def looks_like_path(name: str) -> bool:
    """Whether a name can only be a path, and is no id on the hub."""
    return name in (".", "..") or name.startswith(("/", "./", "../", "~"))


def candidate_paths(name: str, base_dir: Path | None, key: str) -> list[Path]:
    """Where a path may lead: absolute as given, else beside the config, else from here.

    Raises:
        PromptSourceError: It cannot be a path.
    """
    folders = [folder for folder in (base_dir, Path.cwd()) if folder is not None]
    try:
        path = Path(name).expanduser()
        return list(dict.fromkeys((folder / path).resolve() for folder in folders))
    except (OSError, RuntimeError, ValueError) as error:
        raise PromptSourceError(f"{key}: cannot look for {name!r}: {error}") from error


def find_path(name: str, base_dir: Path | None, key: str) -> Path | None:
    """The first of ``candidate_paths`` that is there; None if none is.

    Raises:
        PromptSourceError: It cannot be a path.
    """
    try:
        candidates = candidate_paths(name, base_dir, key)
        return next((path for path in candidates if path.exists()), None)
    except (OSError, ValueError) as error:
        raise PromptSourceError(f"{key}: cannot look for {name!r}: {error}") from error
