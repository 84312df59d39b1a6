"""Which files make up a subset of a dataset, and reading them with the ``datasets`` library.

Only files of tables are read. A dataset's own code is never downloaded, and never run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.exceptions import PromptSourceError, StorageError

CARD: Final = "README.md"

_BUILDERS: Final = {
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "text",
    ".arrow": "arrow",
}
_COMPRESSED: Final = ("", ".gz", ".bz2", ".xz", ".zst")
TABLE_PATTERNS: Final = tuple(f"*{end}{z}" for end in _BUILDERS for z in _COMPRESSED)
# They describe a dataset, in tables' clothing.
_NOT_DATA: Final = frozenset({"dataset_infos.json", "dataset_info.json", "state.json"})

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


def read_rows(path: Path, splits: Splits | None, split: str, where: str) -> Any:
    """The rows of one split, as a ``datasets.Dataset``.

    Args:
        path: A file of a table, a folder of such files, or one that ``save_to_disk`` wrote.
        splits: Patterns of the splits' files; None finds them by their names.
        split: The split.
        where: The dataset in words, for messages.

    Raises:
        PromptSourceError: There is no such split, or nothing that can be read.
        StorageError: The library's cache cannot be written.
    """
    _quieten()
    try:
        return _rows(path, splits, split, where)
    except (PromptSourceError, StorageError):
        raise
    except Exception as error:
        raise _read_error(error, where) from error


def _rows(path: Path, splits: Splits | None, split: str, where: str) -> Any:
    import datasets

    if path.is_file():
        return _pick_split(_load({"train": [path]}, where), split, where)
    if (path / "state.json").is_file():
        return _pick_split({"train": datasets.load_from_disk(str(path))}, split, where)
    if (path / "dataset_dict.json").is_file():
        return _pick_split(datasets.load_from_disk(str(path)), split, where)
    if splits is not None:
        found = {name: _matching(path, patterns) for name, patterns in splits.items()}
        wanted = _pick_split(found, split, where)
        if not wanted:
            raise _no_table(where)
        return _load({split: wanted}, where)[split]
    if not _matching(path, [f"**/{pattern}" for pattern in TABLE_PATTERNS]):
        raise _no_table(where)
    return _pick_split(datasets.load_dataset(str(path)), split, where)


def _load(files: dict[str, list[Path]], where: str) -> Any:
    import datasets

    (suffixes,) = [{_suffix(path) for path in paths} for paths in files.values()]
    if len(suffixes) != 1 or not suffixes <= _BUILDERS.keys():
        raise PromptSourceError(
            f"{where}: {', '.join(sorted(suffixes))} is not one kind of table",
            hint=f"known kinds: {', '.join(_BUILDERS)}",
        )
    (suffix,) = suffixes
    options = {"sep": "\t"} if suffix == ".tsv" else {}
    data_files = {split: [str(path) for path in paths] for split, paths in files.items()}
    return datasets.load_dataset(_BUILDERS[suffix], data_files=data_files, **options)


def _suffix(path: Path) -> str:
    name = path.with_suffix("") if path.suffix in _COMPRESSED else path
    return name.suffix.lower()


def _matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    hidden = {p for p in found if any(part.startswith(".") for part in p.relative_to(folder).parts)}
    tables = {p for p in found - hidden if _suffix(p) in _BUILDERS and p.name not in _NOT_DATA}
    return sorted(tables)


def _pick_split(splits: Any, split: str, where: str) -> Any:
    if split not in splits:
        raise PromptSourceError(
            f"{where} has no split {split!r}{did_you_mean(split, splits)}",
            hint=f"set prompts.split to one of: {', '.join(splits)}",
        )
    return splits[split]


def _no_table(where: str) -> PromptSourceError:
    return PromptSourceError(
        f"{where} holds no table that can be read ({', '.join(_BUILDERS)})",
        hint="datasets that need code of their own are not run; choose another one",
    )


def _read_error(error: Exception, where: str) -> Exception:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.filename is not None:
            return StorageError(
                f"reading {where}: {cause.filename}: {cause.strerror}",
                hint="make room or rights there, or point HF_HOME to another folder",
            )
        error = cause if isinstance(cause, Exception) else error
        cause = cause.__cause__
    lines = str(error).strip().splitlines()
    words = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return PromptSourceError(
        f"{where} cannot be read: {words}", hint="is it complete, and what its name says?"
    )


def _quieten() -> None:
    import datasets

    datasets.logging.set_verbosity_error()
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
