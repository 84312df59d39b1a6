"""Completion markers: ``.completed_N`` vouches for the bytes of one process's files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import Field

from llenergymeasure.constants import COMPLETION_MARKER_PREFIX, RESULT_SCHEMA_VERSION
from llenergymeasure.domain.base import Record
from llenergymeasure.durable import write_text
from llenergymeasure.exceptions import SchemaVersionError, StorageError
from llenergymeasure.results.migrations import MARKER_MIGRATIONS, parsed

_NAME: Final = re.compile(re.escape(COMPLETION_MARKER_PREFIX) + r"(0|[1-9][0-9]*)", re.ASCII)


class CompletionMarker(Record):
    """What a marker says; written after the files that it names.

    Attributes:
        sha256: Of ``process_N.json``.
        requests_sha256: Of ``requests_N.parquet``.
    """

    schema_version: int = RESULT_SCHEMA_VERSION
    process_index: int
    cycle: int
    sha256: str
    requests_sha256: str
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


def marker_path(folder: Path, process_index: int) -> Path:
    """Where the marker of one process lies."""
    return folder / f"{COMPLETION_MARKER_PREFIX}{process_index}"


def result_path(folder: Path, process_index: int) -> Path:
    """Where the result of one process lies."""
    return folder / f"process_{process_index}.json"


def requests_path(folder: Path, process_index: int) -> Path:
    """Where the requests of one process lie."""
    return folder / f"requests_{process_index}.parquet"


def write_marker(folder: Path, cycle: int, process_index: int, result: bytes) -> None:
    """Vouch for the files of one process as they are on disk now."""
    marker = CompletionMarker(
        process_index=process_index,
        cycle=cycle,
        sha256=_sha256(result),
        requests_sha256=_sha256(requests_path(folder, process_index).read_bytes()),
    )
    write_text(marker_path(folder, process_index), marker.model_dump_json(indent=2))


def marked(folder: Path) -> Iterator[int]:
    """Indices of the processes that have a marker there; other files are not looked at."""
    for path in folder.glob(f"{COMPLETION_MARKER_PREFIX}*"):
        name = _NAME.fullmatch(path.name)
        if name is not None:
            yield int(name[1])


def whole_content(folder: Path, process_index: int) -> bytes | None:
    """The bytes of ``process_N.json`` if its marker fits both files; else None.

    Raises:
        StorageError: A file is there and may not be read.
        SchemaVersionError: A newer version wrote the marker.
    """
    path = marker_path(folder, process_index)
    written = _read(path)
    content = _read(result_path(folder, process_index))
    requests = _read(requests_path(folder, process_index))
    if written is None or content is None or requests is None:
        return None
    try:
        marker = parsed(CompletionMarker, written, path, MARKER_MIGRATIONS)
    except SchemaVersionError:
        raise
    except StorageError:
        # A torn marker vouches for nothing.
        return None
    fits = marker.process_index == process_index
    fits = fits and marker.sha256 == _sha256(content)
    return content if fits and marker.requests_sha256 == _sha256(requests) else None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror or error}",
            hint="make it readable for this user",
        ) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
