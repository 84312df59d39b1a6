"""Config files in a folder, and new ones to start from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from llenergymeasure.config.loader import load
from llenergymeasure.config.presets import preset_document
from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.config.sources.extends import EXTENDS_KEY
from llenergymeasure.config.sources.yaml_file import SUFFIXES, read_document

# A folder of configs is not that deep; a results folder may be.
MAX_FILES = 2_000


@dataclass(frozen=True)
class FoundConfig:
    """One file that looks like an experiment config.

    Attributes:
        path: Where it is.
        config_name: Its name; None if it cannot be read.
        model_name: Its model; None if it gives none.
        backend: Its backend; None if it is not valid.
        problems: How many; 0 is valid.
        first_problem: The first of them.
    """

    path: Path
    config_name: str | None
    model_name: str | None
    backend: str | None
    problems: int
    first_problem: str | None


def find_configs(folder: Path) -> list[FoundConfig]:
    """The config files at and below ``folder``, with those that cannot be read.

    Raises:
        InvalidConfigError: There is no such folder.
    """
    if not folder.is_dir():
        raise _no_folder(folder)
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and not _is_hidden(path.relative_to(folder))
    )
    found = (_describe(path) for path in files[:MAX_FILES])
    return [config for config in found if config is not None]


def expand_configs(named: Sequence[str]) -> tuple[list[str], list[str]]:
    """Config files by their names: a folder stands for the configs in it, in natural order.

    Files below its subfolders are not taken: a results folder may be one of them.

    Returns:
        The files, and those in a folder that are no configs and are left out.

    Raises:
        InvalidConfigError: A folder holds no config file.
    """
    files: list[str] = []
    left_out: list[str] = []
    for name in named:
        folder = Path(name)
        if not folder.is_dir():
            if name.endswith("/"):
                raise _no_folder(folder)
            files.append(name)
            continue
        inside = [path for path in folder.iterdir() if _has_suffix(path)]
        configs = [path for path in inside if _may_be_config(path)]
        left_out += [str(path) for path in inside if path not in configs]
        if not configs:
            message = f"there is no config file ({', '.join(SUFFIXES)}) in this folder"
            raise InvalidConfigError([Problem(Place(name), "", message, "missing_file")])
        files += [str(path) for path in sorted(configs, key=_natural_order)]
    return files, left_out


# What a config has: one of these keys, or one that is meant to be.
_MARKS = ("config_name", "model_name", "preset", EXTENDS_KEY)


def _has_suffix(path: Path) -> bool:
    return path.suffix in SUFFIXES and path.is_file() and not path.name.startswith(".")


def _may_be_config(path: Path) -> bool:
    """A file that cannot be read may be one: what is wrong with it must be told."""
    try:
        data = read_document(path).data
    except InvalidConfigError as error:
        # Much other data is JSON too, such as a tokenizer's vocabulary.
        is_data = error.problems[0].code in {"not_a_mapping", "file_too_large"}
        return not (is_data and path.suffix == ".json")
    # A stored result has a config's name too, and an id.
    if "experiment_id" in data:
        return False
    return any(get_close_matches(str(key).lower(), _MARKS, 1, cutoff=0.85) for key in data)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """``batch-8`` comes before ``batch-16``."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _no_folder(folder: Path) -> InvalidConfigError:
    what = "this is a file, not a folder" if folder.exists() else "there is no such folder"
    return InvalidConfigError([Problem(Place(str(folder)), "", what, "missing_file")])


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _describe(path: Path) -> FoundConfig | None:
    if not _may_be_config(path):
        return None
    try:
        data = read_document(path).data
    except InvalidConfigError as error:
        return FoundConfig(path, None, None, None, 1, str(error.problems[0]))
    names = [value if isinstance(value, str) else None for value in map(data.get, _NAMES)]
    try:
        config = load(path).config
    except InvalidConfigError as error:
        first = str(error.problems[0])
        return FoundConfig(path, names[0], names[1], None, len(error.problems), first)
    return FoundConfig(path, config.config_name, config.model_name, config.backend, 0, None)


_NAMES = ("config_name", "model_name")


def new_config(name: str, model: str, preset: str | None) -> str:
    """The text of a new config.

    Raises:
        InvalidConfigError: There is no such preset.
    """
    lines = [f"config_name: {_quote(name)}", f"model_name: {_quote(model)}", ""]
    if preset is not None:
        preset_document(preset, Place("command line"))
        lines += [f"preset: {preset}   # values below win over it; see: lem presets", ""]
    lines += _BODY if preset is None else _PRESET_BODY
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    import json

    return json.dumps(text)


_BODY = [
    "# Every key and its default: lem config schema, or docs/reference/config.md",
    "prompts:",
    "  type: builtin              # or: {type: file, path: prompts.txt}",
    "num_prompts: 32",
    "max_input_tokens: 512",
    "max_output_tokens: 128",
    "",
    "decoder:",
    "  preset: deterministic      # greedy",
    "",
    "num_cycles: 3                # the same workload three times, for the spread",
    "",
    "pytorch:",
    "  batch_size: 4",
]
_PRESET_BODY = ["# num_prompts: 32", "# prompts: {type: file, path: prompts.txt}"]
