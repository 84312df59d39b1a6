"""Which files make up a split of a dataset, and which of its folder do not, each with its reason.

Only files of tables are read. A dataset's own code is never downloaded, and never run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.core.prompt_sources.tables import KINDS
from llenergymeasure.core.prompt_sources.text import compressed_names, kind_suffix
from llenergymeasure.domain.experiment import LeftOutFiles
from llenergymeasure.exceptions import PromptSourceError

CARD: Final = "README.md"

# They describe a dataset, in tables' clothing.
_NOT_DATA: Final = frozenset({"dataset_infos.json", "dataset_info.json", "state.json"})
TABLE_PATTERNS: Final = tuple(z for end in KINDS for z in compressed_names(f"*{end}"))

Splits = dict[str, list[str]]


def splits_of(folder: Path, subset: str | None, where: str) -> Splits | None:
    """Patterns of each split's files, as the dataset's card says; None if it says nothing.

    Args:
        folder: Folder with the card.
        subset: The subset; None is the default one.
        where: The dataset in words, for messages.

    Raises:
        PromptSourceError: There is no such subset, or none is the default, or the card is broken.
    """
    configs = _configs(folder / CARD, where)
    if not configs:
        if subset is not None:
            raise PromptSourceError(
                f"{where} has no subsets, so there is no {subset!r}", hint="remove prompts.subset"
            )
        return None
    config = _choose_config(configs, subset, where)
    splits = _splits(config)
    for pattern in [pattern for patterns in splits.values() for pattern in patterns]:
        path = PurePosixPath(pattern)
        if "://" in pattern or path.is_absolute() or ".." in path.parts:
            raise PromptSourceError(
                f"{where} names a file outside of itself: {pattern!r}",
                hint="such a dataset is not read; choose another one",
            )
    return splits


def _configs(card: Path, where: str) -> dict[str, dict[str, Any]]:
    from huggingface_hub import metadata_load

    if not card.is_file():
        return {}
    try:
        listed = (metadata_load(card) or {}).get("configs") or []
        return {str(config["config_name"]): config for config in listed if _has_files(config)}
    except Exception as error:
        raise PromptSourceError(
            f"the card ({CARD}) of {where} cannot be understood: {type(error).__name__}",
            hint="name its data file directly with prompts.dataset, or choose another dataset",
        ) from error


def _has_files(config: dict[str, Any]) -> bool:
    return bool(config.get("data_files") or config.get("data_dir"))


def _choose_config(
    configs: dict[str, dict[str, Any]], subset: str | None, where: str
) -> dict[str, Any]:
    names = ", ".join(configs)
    if subset is not None and subset not in configs:
        raise PromptSourceError(
            f"{where} has no subset {subset!r}{did_you_mean(subset, configs)}",
            hint=f"set prompts.subset to one of: {names}",
        )
    if subset is not None:
        return configs[subset]
    marked = [config for config in configs.values() if config.get("default")]
    if len(configs) == 1 or marked:
        return (marked or list(configs.values()))[0]
    if "default" in configs:
        return configs["default"]
    raise PromptSourceError(
        f"{where} has {len(configs)} subsets and no default one",
        hint=f"set prompts.subset to one of: {names}",
    )


def _splits(config: dict[str, Any]) -> Splits:
    folder = config.get("data_dir")
    given = config.get("data_files") or "**"
    splits: Splits = {}
    for entry in given if isinstance(given, list) else [given]:
        split, paths = ("train", entry)
        if isinstance(entry, dict):
            split, paths = str(entry.get("split", "train")), entry.get("path", [])
        for path in paths if isinstance(paths, list) else [paths]:
            splits.setdefault(split, []).append(f"{folder}/{path}" if folder else str(path))
    return splits


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split, in the order in which they are read, and those left out."""

    files: tuple[Path, ...]
    left_out: tuple[LeftOutFiles, ...]


def split_files(folder: Path, splits: Splits | None, split: str, where: str) -> SplitFiles:
    """The files of one split in a folder.

    Args:
        folder: The folder.
        splits: Patterns of the splits' files; None finds them by their names.
        split: The split.
        where: The dataset in words, for messages.

    Raises:
        PromptSourceError: There is no such split, or no table in it, or a folder cannot be listed.
    """
    reasons = _list_folder(folder)
    _leave_out_notes(reasons)
    tables = [path for path, reason in reasons.items() if reason is None]
    if not tables:
        raise _no_table(where, reasons)
    patterns = splits if splits is not None else _splits_by_name(folder)
    found = {name: _matching(folder, globs, tables) for name, globs in patterns.items()}
    chosen = pick_split(found, split, where)
    if not chosen:
        raise _no_table(where, reasons)
    others = {path: name for name, paths in found.items() if name != split for path in paths}
    for path in tables:
        if path not in chosen:
            name = others.get(path)
            reasons[path] = f"of the split {name}" if name else "of no split"
    return SplitFiles(tuple(sorted(chosen)), _by_reason(folder, reasons))


def pick_split(splits: Any, split: str, where: str) -> Any:
    """One of several splits.

    Raises:
        PromptSourceError: There is no such split.
    """
    if split not in splits:
        raise PromptSourceError(
            f"{where} has no split {split!r}{did_you_mean(split, splits)}",
            hint=f"set prompts.split to one of: {', '.join(splits)}",
        )
    return splits[split]


def _splits_by_name(folder: Path) -> Splits:
    """As the ``datasets`` library names them: train, test, ... in names; else all is train."""
    from datasets.data_files import EmptyDatasetError, get_data_patterns

    try:
        found = get_data_patterns(str(folder))
    except EmptyDatasetError:
        return {"train": ["**"]}
    return {str(name): [str(pattern) for pattern in patterns] for name, patterns in found.items()}


def _list_folder(folder: Path) -> dict[Path, str | None]:
    """Every file at and below a folder, with why it cannot be read as a table; None if it can."""
    found: dict[Path, str | None] = {}
    for path in _walk(folder):
        if path.name.startswith("."):
            # Of what is hidden only tables are somebody's data.
            if kind_suffix(path) in KINDS:
                found[path] = "hidden"
        elif path.name == CARD or path.name in _NOT_DATA:
            found[path] = "describes the dataset"
        elif not path.exists():
            found[path] = "a link that leads nowhere"
        elif path.is_dir():
            found[path] = "a link to a folder, which is not followed"
        elif not path.is_file():
            found[path] = "no regular file"
        elif kind_suffix(path) not in KINDS:
            found[path] = "no table"
        else:
            found[path] = None if path.stat().st_size else "empty"
    return found


def _leave_out_notes(reasons: dict[Path, str | None]) -> None:
    """Beside tables, plain text is a licence or notes: its lines are no prompts."""
    tables = [path for path, reason in reasons.items() if reason is None]
    notes = [path for path in tables if KINDS[kind_suffix(path)] == "text"]
    if len(notes) < len(tables):
        reasons |= dict.fromkeys(notes, "plain text beside tables")


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):  # of the hub nothing was downloaded
            return
        raise PromptSourceError(
            f"the folder {error.filename} cannot be listed: {error.strerror}",
            hint="give yourself the right to read it, or name another folder",
        )

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*files, *links]):
            yield Path(parent, name)


def _matching(folder: Path, patterns: Sequence[str], tables: Sequence[Path]) -> list[Path]:
    # Of a pattern that ends so, pathlib gives folders only.
    ends = [f"{p}/*" if p == "**" or p.endswith("/**") else p for p in patterns]
    found = {path for pattern in ends for path in folder.glob(pattern)}
    return [path for path in tables if path in found]


_MOST_NAMES = 5


def _by_reason(folder: Path, reasons: dict[Path, str | None]) -> tuple[LeftOutFiles, ...]:
    groups: dict[str, list[str]] = {}
    for path, reason in reasons.items():
        if reason is not None:
            groups.setdefault(reason, []).append(str(path.relative_to(folder)))
    return tuple(
        LeftOutFiles(reason=reason, count=len(names), files=tuple(names[:_MOST_NAMES]))
        for reason, names in groups.items()
    )


def _no_table(where: str, reasons: dict[Path, str | None]) -> PromptSourceError:
    seen = [f"{path.name} ({reason})" for path, reason in reasons.items() if reason]
    shown = f"; it holds {', '.join(seen[:_MOST_NAMES])}" if seen else ""
    return PromptSourceError(
        f"{where} holds no table that can be read ({', '.join(KINDS)}){shown}",
        hint="datasets that need code of their own are not run; choose another one",
    )
