"""Prompts from a dataset: one with a short name here, any other of the hub, or a local one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.config.prompt_models import PromptsConfig
from llenergymeasure.core.hub import resolve_hub_dataset
from llenergymeasure.core.prompt_sources.chat import (
    CHAT_COLUMNS,
    NotAPromptError,
    prompt_of,
    why_none,
)
from llenergymeasure.core.prompt_sources.dataset_files import (
    CARD,
    TABLE_PATTERNS,
    SplitFiles,
    Splits,
    pick_split,
    split_files,
    splits_of,
)
from llenergymeasure.core.prompt_sources.file import COLUMN_CANDIDATES
from llenergymeasure.core.prompt_sources.known_datasets import KnownDataset, find_known_dataset
from llenergymeasure.core.prompt_sources.paths import find_path, looks_like_path
from llenergymeasure.core.prompt_sources.tables import Rows, read_files, read_saved, rows_of
from llenergymeasure.domain.experiment import LeftOutFiles
from llenergymeasure.domain.prompt import Prompt
from llenergymeasure.exceptions import ConfigurationError, PromptSourceError

HUB_PREFIX: Final = "huggingface:"


@dataclass(frozen=True)
class DatasetPrompts:
    """Prompts of a dataset.

    Attributes:
        prompts: Those that are used, in order.
        source: ``huggingface:<id>``, or the resolved path of a local one.
        revision: The commit of a hub dataset; None for a local one.
        column: The column that they stood in.
        subset: The subset, where one was asked for.
        split: The split.
        rows: Rows of the split.
        dropped: Rows without a prompt that were passed over, by cause.
        unused: Rows that were not looked at, since there were enough prompts.
        files_read: Files that the rows come from.
        files_left_out: Files beside them, by reason.
    """

    prompts: list[Prompt]
    source: str
    revision: str | None
    column: str
    subset: str | None
    split: str
    rows: int
    dropped: dict[str, int]
    unused: int
    files_read: int
    files_left_out: tuple[LeftOutFiles, ...]


@dataclass(frozen=True)
class _Located:
    path: Path
    splits: Splits | None
    source: str
    revision: str | None = None


def load_dataset_prompts(
    prompts: PromptsConfig, num_prompts: int | None, base_dir: Path | None
) -> DatasetPrompts:
    """Find the dataset, and take the prompts that the section asks for.

    Args:
        prompts: A section of type ``huggingface``.
        num_prompts: The first so many; None takes all.
        base_dir: Folder of the config file, where relative paths start; None if there is none.

    Raises:
        PromptSourceError: No such dataset, subset, split or column, or too few rows.
        HubUnreachableError: The hub does not answer, and it is not in the cache.
        StorageError: A cache cannot be written.
    """
    known = find_known_dataset(prompts.dataset_name)
    subset = prompts.subset or (known.subset if known else None)
    split = prompts.split or (known.split if known else "train")
    located = _locate(prompts, known, subset, base_dir)
    rows, files = _read(located, split, prompts.delimiter)
    column = _column(rows.column_names, prompts.column or (known.column if known else None), known)
    limit = min((n for n in (prompts.sample_size, num_prompts) if n is not None), default=None)
    order = _order(len(rows), prompts)
    taken, dropped = _take(rows, column, order, limit, known)
    _check_enough(len(taken), limit, prompts, located.source)
    return DatasetPrompts(
        prompts=taken,
        source=located.source,
        revision=located.revision,
        column=column,
        subset=subset,
        split=split,
        rows=len(rows),
        dropped=dropped,
        unused=len(rows) - len(taken) - sum(dropped.values()),
        files_read=len(files.files),
        files_left_out=files.left_out,
    )


def _read(located: _Located, split: str, delimiter: str | None) -> tuple[Rows, SplitFiles]:
    path, where = located.path, located.source
    if path.is_file():
        files = SplitFiles(pick_split({"train": (path,)}, split, where), ())
    elif (path / "state.json").is_file():
        table = pick_split({"train": read_saved(path, where)}, split, where)
        return rows_of(table, where), SplitFiles(tuple(path.glob("*.arrow")), ())
    elif (path / "dataset_dict.json").is_file():
        table = pick_split(read_saved(path, where), split, where)
        return rows_of(table, where), SplitFiles(tuple((path / split).glob("*.arrow")), ())
    else:
        files = split_files(path, located.splits, split, where)
    return read_files(files.files, where, delimiter), files


def _locate(
    prompts: PromptsConfig, known: KnownDataset | None, subset: str | None, base_dir: Path | None
) -> _Located:
    name = prompts.dataset_name
    if known is None:
        path = find_path(name, base_dir, "prompts.dataset")
        if path is not None:
            return _local(path, prompts, subset)
        if looks_like_path(name):
            raise PromptSourceError(
                f"prompts.dataset: there is no file or folder {name!r}",
                hint="a relative path starts at the config file's folder, then at the working "
                "directory",
            )
    return _from_hub(known.hub_id if known else name, prompts.revision, subset, known)


def _local(path: Path, prompts: PromptsConfig, subset: str | None) -> _Located:
    if prompts.revision is not None:
        raise ConfigurationError(
            f"prompts.revision is given, but {path} is not a dataset of the hub",
            hint="remove prompts.revision",
        )
    if path.is_dir():
        return _Located(path, splits_of(path, subset, str(path)), str(path))
    if subset is not None:
        raise PromptSourceError(
            f"{path} is a file, so there is no subset {subset!r}", hint="remove prompts.subset"
        )
    return _Located(path, None, str(path))


def _from_hub(
    hub_id: str, revision: str | None, subset: str | None, known: KnownDataset | None
) -> _Located:
    """First the card, which says what to bring; then the files of the subset, and no others."""
    source = f"{HUB_PREFIX}{hub_id}"
    if known and known.files:
        if subset is not None:
            raise PromptSourceError(
                f"{source} has no subsets, so there is no {subset!r}", hint="remove prompts.subset"
            )
        splits: Splits | None = {known.split: list(known.files)}
        found = resolve_hub_dataset(hub_id, revision, known.files)
        return _Located(found.path, splits, source, found.commit)
    card = resolve_hub_dataset(hub_id, revision, [CARD])
    splits = splits_of(card.path, subset, source)
    patterns: Sequence[str] = TABLE_PATTERNS
    if splits is not None:
        listed = [pattern for patterns in splits.values() for pattern in patterns]
        # Here "**/" may stand for no folder at all, as it does where the files are read.
        patterns = [*listed, *(p.replace("**/", "") for p in listed if "**/" in p)]
    found = resolve_hub_dataset(hub_id, card.commit, [CARD, *patterns])
    return _Located(found.path, splits, source, found.commit)


def _column(names: Sequence[str], asked: str | None, known: KnownDataset | None) -> str:
    shown = ", ".join(repr(name) for name in names) or "none"
    if asked is not None:
        if asked not in names:
            raise PromptSourceError(
                f"the dataset has no column {asked!r}{did_you_mean(asked, names)}",
                hint=f"its columns: {shown}; set prompts.column to one of them",
            )
        return asked
    usual = (*COLUMN_CANDIDATES, *CHAT_COLUMNS)
    for candidate in usual:
        if candidate in names:
            return candidate
    if known is None and len(names) == 1:
        return names[0]
    raise PromptSourceError(
        f"the dataset has none of the usual columns ({', '.join(usual)}), but {shown}",
        hint="set prompts.column to the one that holds the prompts",
    )


def _order(count: int, prompts: PromptsConfig) -> list[int]:
    order = list(range(count))
    if prompts.shuffle:
        random.Random(prompts.random_seed).shuffle(order)  # noqa: S311 - no secret
    return order


def _take(
    rows: Rows, column: str, order: list[int], limit: int | None, known: KnownDataset | None
) -> tuple[list[Prompt], dict[str, int]]:
    """The prompts in that order up to the limit, and how many rows had none, by cause."""
    taken: list[Prompt] = []
    dropped: Counter[str] = Counter()
    for index, value in rows.values(column, order):
        if limit is not None and len(taken) == limit:
            break
        try:
            prompt = prompt_of(value, first_turn=known is not None and known.first_turn)
        except NotAPromptError as error:
            raise PromptSourceError(
                f"{rows.where(index)}: column {column!r} holds {error}",
                hint="set prompts.column to the one that holds the prompts, or mend that row",
            ) from error
        if prompt is None:
            dropped[why_none(value)] += 1
        else:
            taken.append(prompt)
    return taken, dict(dropped)


def _check_enough(count: int, limit: int | None, prompts: PromptsConfig, source: str) -> None:
    if count == 0:
        raise PromptSourceError(f"{source} holds no prompt", hint="choose another split or column")
    if limit is not None and count < limit:
        key = "prompts.sample_size" if limit == prompts.sample_size else "num_prompts"
        raise PromptSourceError(
            f"{key} is {limit}, but {source} holds {count} prompts",
            hint=f"set {key} to {count} or less, or to null to take them all",
        )
