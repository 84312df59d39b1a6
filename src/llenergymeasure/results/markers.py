"""Completion markers: ``.completed_N`` vouches for the bytes of one process's files."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, Field

from llenergymeasure.constants import COMPLETION_MARKER_PREFIX, RESULT_SCHEMA_VERSION
from llenergymeasure.domain.base import Record
from llenergymeasure.durable import describe_fault, read_stored, write_text
from llenergymeasure.exceptions import DamagedFileError, SchemaVersionError, StorageError
from llenergymeasure.results.migrations import MARKER_MIGRATIONS, parse_record

_RESULT: Final = re.compile(r"process_(0|[1-9][0-9]*)\.json", re.ASCII)
_NAME: Final = re.compile(re.escape(COMPLETION_MARKER_PREFIX) + r"(0|[1-9][0-9]*)", re.ASCII)


_AGAIN: Final = "restore it from a copy, or measure that cycle again"


class NotWholeError(DamagedFileError):
    """A part of a result is missing or changed, so the result does not count."""


class CompletionMarker(Record):
    """What a marker says; written after the files that it names.

    Attributes:
        sha256: Of ``process_N.json``.
        requests_sha256: Of ``requests_N.parquet``.
        timeseries_sha256: Of ``timeseries_N.parquet``; None without one.
    """

    schema_version: int = RESULT_SCHEMA_VERSION
    process_index: int
    cycle: int
    sha256: str
    requests_sha256: str
    timeseries_sha256: str | None = None
    created_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


def marker_path(folder: Path, process_index: int) -> Path:
    """Where the marker of one process lies."""
    return folder / f"{COMPLETION_MARKER_PREFIX}{process_index}"


def result_path(folder: Path, process_index: int) -> Path:
    """Where the result of one process lies."""
    return folder / f"process_{process_index}.json"


def requests_path(folder: Path, process_index: int) -> Path:
    """Where the requests of one process lie."""
    return folder / f"requests_{process_index}.parquet"


def timeseries_path(folder: Path, process_index: int) -> Path:
    """Where the samples of one process lie."""
    return folder / f"timeseries_{process_index}.parquet"


def write_marker(
    folder: Path, cycle: int, process_index: int, result: bytes, *, sampled: bool = False
) -> None:
    """Vouch for the files of one process as they are on disk now; samples only if ``sampled``."""
    samples = read_stored(timeseries_path(folder, process_index)) if sampled else None
    marker = CompletionMarker(
        process_index=process_index,
        cycle=cycle,
        sha256=_sha256(result),
        requests_sha256=_sha256(read_stored(requests_path(folder, process_index))),
        timeseries_sha256=None if samples is None else _sha256(samples),
    )
    write_text(marker_path(folder, process_index), marker.model_dump_json(indent=2))


def list_processes(folder: Path) -> list[int]:
    """Indices of the processes of which a result or a marker lies there."""
    found = (_NAME.fullmatch(name) or _RESULT.fullmatch(name) for name in list_names(folder))
    return sorted({int(name[1]) for name in found if name})


def list_names(folder: Path) -> list[str]:
    """What lies in a folder, sorted; nothing if it is not there.

    Raises:
        StorageError: It is there and cannot be read.
    """
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise describe_fault(error, f"cannot read {folder}") from error


def whole_content(folder: Path, process_index: int) -> bytes | None:
    """The bytes of ``process_N.json`` if its marker fits it and its requests; else None.

    Samples are not looked at: they may be large, and a result is whole without them.

    Raises:
        StorageError: A file is there and may not be read.
        SchemaVersionError: A newer version wrote the marker.
    """
    try:
        return read_whole(folder, process_index)
    except NotWholeError:
        return None


def read_whole(folder: Path, process_index: int) -> bytes:
    """The bytes of ``process_N.json``, for which its marker must vouch (see ``whole_content``).

    Raises:
        NotWholeError: The marker, the result or its requests are gone or changed.
        StorageError: A file is there and may not be read.
        SchemaVersionError: A newer version wrote the marker.
    """
    path, requests = result_path(folder, process_index), requests_path(folder, process_index)
    marker = _marker(folder, process_index)
    if marker is None or marker.process_index != process_index:
        name = marker_path(folder, process_index).name
        raise NotWholeError(f"{path} was not finished: no {name} vouches for it", hint=_AGAIN)
    content = _read_vouched(path, marker.sha256)
    _read_vouched(requests, marker.requests_sha256)
    return content


def _read_vouched(path: Path, sha256: str) -> bytes:
    content = _read(path)
    if content is None:
        raise NotWholeError(f"{path} is not there any more", hint=_AGAIN)
    if _sha256(content) != sha256:
        raise NotWholeError(f"{path} is not what was saved there", hint=_AGAIN)
    return content


def whole_samples(path: Path, process_index: int) -> bytes:
    """The bytes of the samples at ``path``, for which the marker beside them must vouch.

    Raises:
        StorageError: They are not there, may not be read, or are not those that were saved.
        SchemaVersionError: A newer version wrote the marker.
    """
    content = _read(path)
    if content is None:
        raise StorageError(f"{path} is not there any more", hint="restore it from a copy")
    marker = _marker(path.parent, process_index)
    if marker is None or marker.timeseries_sha256 != _sha256(content):
        raise StorageError(
            f"{path} is not what was saved there", hint="restore it from a copy, or measure again"
        )
    return content


def _marker(folder: Path, process_index: int) -> CompletionMarker | None:
    path = marker_path(folder, process_index)
    written = _read(path)
    if written is None:
        return None
    try:
        return parse_record(CompletionMarker, written, path, MARKER_MIGRATIONS)
    except SchemaVersionError:
        raise
    except StorageError:
        # A torn marker vouches for nothing.
        return None


def _read(path: Path) -> bytes | None:
    try:
        return read_stored(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror or error}",
            hint="make it readable for this user, or restore it from a copy",
        ) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
