"""``--vary key=v1,v2``: one config for each combination of values."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from llenergymeasure.config.loader import LoadedConfig, load
from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.config.sources.command_line import override_document, parse_sets
from llenergymeasure.config.sources.extends import EXTENDS_KEY
from llenergymeasure.config.sources.yaml_file import read_document
from llenergymeasure.durable import write_text

# Short names that grids of lem 3.x use.
SHORT_NAMES = {"batch_size": "{backend}.batch_size", "temperature": "decoder.temperature"}
MAX_POINTS = 10_000
# A file name may have 255 bytes, a config_name 200 characters.
MAX_NAME_BYTES = 180
_ELSEWHERE = "choose another folder with --output, or free space on this one"


@dataclass(frozen=True)
class GridPoint:
    """One combination.

    Attributes:
        name: Distinguishes it among the others; can name a file.
        sets: ``key=value`` texts, as for ``--set``.
        loaded: The valid config; None if it is not valid.
        error: Why it is not valid.
    """

    name: str
    sets: tuple[str, ...]
    loaded: LoadedConfig | None
    error: str | None


def expand(base: Path, vary: Sequence[str]) -> list[GridPoint]:
    """Every combination over a base config, each validated.

    Raises:
        InvalidConfigError: The base is not valid, or an axis is not of the form ``key=v1,v2``.
    """
    config = load(base).config
    axes = [_axis(text, config.backend) for text in vary]
    total = 1
    for _, values in axes:
        total *= len(values)
    if total > MAX_POINTS:
        raise _refuse(f"{total} combinations are more than {MAX_POINTS}")
    keys = [key for key, _ in axes]
    if len(set(keys)) != len(keys):
        raise _refuse("one key is varied twice; give all of its values at once")
    combinations = list(product(*(values for _, values in axes)))
    names = _distinct([_name(config.config_name, keys, values) for values in combinations])
    return [
        _point(base, name, keys, values) for name, values in zip(names, combinations, strict=True)
    ]


def _axis(text: str, backend: str) -> tuple[str, list[str]]:
    key, equals, listed = text.partition("=")
    values = [value.strip() for value in listed.split(",")]
    if not equals or not key or not all(values):
        raise _refuse(f"found {text!r}, must be key=value1,value2,...")
    if len(set(values)) != len(values):
        raise _refuse(f"{text!r} lists a value twice")
    return SHORT_NAMES.get(key, key).format(backend=backend), values


def _name(config_name: str, keys: Sequence[str], values: Sequence[str]) -> str:
    """What a point is called: a file can have the name, and most people can read it."""
    parts = (f"{key.rpartition('.')[2]}-{value}" for key, value in zip(keys, values, strict=True))
    name = re.sub(r"[^\w.-]+", "_", f"{config_name}_{'_'.join(parts)}").lstrip(".-")
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: MAX_NAME_BYTES - 9].decode(errors='ignore')}_{digest}"


def _distinct(names: Sequence[str], taken: Callable[[str], bool] = lambda _: False) -> list[str]:
    """The names, with a number where one is taken or equal to one before it but for its case."""
    used: set[str] = set()
    distinct = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(2))
        free = next(
            one for one in chain([name], numbered) if one.casefold() not in used and not taken(one)
        )
        used.add(free.casefold())
        distinct.append(free)
    return distinct


def _point(base: Path, name: str, keys: Sequence[str], values: Sequence[str]) -> GridPoint:
    sets = tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))
    try:
        loaded = load(base, sets=(*sets, f"config_name={name}"))
    except InvalidConfigError as error:
        return GridPoint(name, sets, None, str(error))
    return GridPoint(name, sets, loaded, None)


def _refuse(message: str) -> InvalidConfigError:
    return InvalidConfigError([Problem(Place("command line"), "--vary", message, "invalid_vary")])


def write_points(base: Path, points: Sequence[GridPoint], folder: Path) -> list[Path]:
    """Write a file for each valid point; it extends the base, which stays where it is.

    A file of another grid, or of a person, is not replaced: the new one gets a number.

    Raises:
        StorageError: A file cannot be written.
    """
    valid = [point for point in points if point.error is None]
    names = _distinct(
        [point.name for point in valid],
        lambda name: _is_of_another(base, folder / f"{name}.yaml"),
    )
    written = []
    for point, name in zip(valid, names, strict=True):
        path = folder / f"{name}.yaml"
        write_text(path, _text(base, replace(point, name=name), folder), _ELSEWHERE)
        written.append(path)
    return written


def _is_of_another(base: Path, path: Path) -> bool:
    """Whether a file is there that no grid over the same base has written."""
    if not os.path.lexists(path):
        return False
    try:
        parent = read_document(path).data.get(EXTENDS_KEY)
    except InvalidConfigError:
        return True
    return not isinstance(parent, str) or (path.parent / parent).resolve() != base.resolve()


def _text(base: Path, point: GridPoint, folder: Path) -> str:
    parent = os.path.relpath(os.path.realpath(base), os.path.realpath(folder))
    data: dict[str, Any] = {EXTENDS_KEY: parent, "config_name": point.name}
    assert point.loaded is not None
    values = parse_sets(point.sets, type(point.loaded.config))
    data |= override_document(values).data
    text = io.StringIO()
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.dump(data, text)
    return text.getvalue()
