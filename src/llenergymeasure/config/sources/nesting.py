"""Values given by dotted keys, as one nested mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llenergymeasure.config.problems.report import (
    InvalidConfigError,
    KeyPath,
    Place,
    Problem,
    join_dotted,
)
from llenergymeasure.config.sources.yaml_file import Document


def nest_values(source: str, values: Mapping[KeyPath, tuple[Any, Place]]) -> Document:
    """A document of ``{path: (value, where it is given)}``.

    Raises:
        InvalidConfigError: One key is given a value, and keys of its own elsewhere.
    """
    data: dict[str, Any] = {}
    for path, (value, place) in sorted(values.items(), key=lambda item: len(item[0])):
        target = data
        for part in path[:-1]:
            target = target.setdefault(str(part), {})
            if not isinstance(target, dict):
                message = f"{part!r} is given a value and keys of its own"
                raise InvalidConfigError(
                    [Problem(place, join_dotted(path), message, "invalid_set")]
                )
        target[str(path[-1])] = value
    return Document(source, data, {path: place for path, (_, place) in values.items()})
