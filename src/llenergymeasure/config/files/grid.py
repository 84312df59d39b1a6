"""``--vary key=v1,v2``: one config for each combination of values."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from llenergymeasure.config.loader import LoadedConfig, load
from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.config.sources.command_line import override_document, parse_sets
from llenergymeasure.config.sources.extends import EXTENDS_KEY
from llenergymeasure.durable import write_text

# Short names that the described system's grids use.
SHORT_NAMES = {"batch_size": "{backend}.batch_size", "temperature": "decoder.temperature"}
MAX_POINTS = 10_000
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
    backend = load(base).config.backend
    axes = [_axis(text, backend) for text in vary]
    total = 1
    for _, values in axes:
        total *= len(values)
    if total > MAX_POINTS:
        raise _refuse(f"{total} combinations are more than {MAX_POINTS}")
    keys = [key for key, _ in axes]
    if len(set(keys)) != len(keys):
        raise _refuse("one key is varied twice; give all of its values at once")
    return [
        _point(base, keys, combination) for combination in product(*(values for _, values in axes))
    ]


def _axis(text: str, backend: str) -> tuple[str, list[str]]:
    key, equals, listed = text.partition("=")
    values = [value.strip() for value in listed.split(",")]
    if not equals or not key or not all(values):
        raise _refuse(f"found {text!r}, must be key=value1,value2,...")
    if len(set(values)) != len(values):
        raise _refuse(f"{text!r} lists a value twice")
    return SHORT_NAMES.get(key, key).format(backend=backend), values


def _point(base: Path, keys: Sequence[str], values: Sequence[str]) -> GridPoint:
    sets = tuple(f"{key}={value}" for key, value in zip(keys, values, strict=True))
    parts = (f"{key.rpartition('.')[2]}-{value}" for key, value in zip(keys, values, strict=True))
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{base.stem}_{'_'.join(parts)}")
    try:
        loaded = load(base, sets=(*sets, f"config_name={name}"))
    except InvalidConfigError as error:
        return GridPoint(name, sets, None, str(error))
    return GridPoint(name, sets, loaded, None)


def _refuse(message: str) -> InvalidConfigError:
    return InvalidConfigError([Problem(Place("command line"), "--vary", message, "invalid_vary")])


def write_points(base: Path, points: Sequence[GridPoint], folder: Path) -> list[Path]:
    """Write a file for each valid point; it extends the base, which stays where it is.

    Raises:
        StorageError: A file cannot be written.
    """
    written = []
    for point in points:
        if point.error is None:
            path = folder / f"{point.name}.yaml"
            write_text(path, _text(base, point, folder), _ELSEWHERE)
            written.append(path)
    return written


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
