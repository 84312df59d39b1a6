"""Reading what older versions wrote: each step lifts a document by one version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llenergymeasure.constants import RESULT_SCHEMA_VERSION
from llenergymeasure.exceptions import SchemaVersionError

Migration = Callable[[dict[str, Any]], dict[str, Any]]

# version -> the function that turns a document of it into one of the next. Version 1 is the first.
MIGRATIONS: Final[dict[int, Migration]] = {}


def migrated(
    data: dict[str, Any],
    source: str,
    *,
    current: int = RESULT_SCHEMA_VERSION,
    migrations: Mapping[int, Migration] = MIGRATIONS,
) -> dict[str, Any]:
    """``data`` lifted to the current version.

    Raises:
        SchemaVersionError: It is newer than this program, or too old for its migrations.
    """
    version = data.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise SchemaVersionError(f"{source} names no schema version, so it cannot be trusted")
    while version < current and version in migrations:
        data = {**migrations[version](data), "schema_version": version + 1}
        version += 1
    if version != current:
        newer = version > current
        raise SchemaVersionError(
            f"{source} has schema version {version}; this lem reads {current}",
            hint="upgrade lem" if newer else "read it with the lem that wrote it",
        )
    return data
