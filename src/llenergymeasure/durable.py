"""Files that outlive the process: written whole or not at all, read with their version checked."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llenergymeasure.exceptions import (
    ConfigurationError,
    DamagedFileError,
    SchemaVersionError,
    StorageError,
    WrongPathError,
)

JsonObject = dict[str, Any]
Migrations = Mapping[int, Callable[[JsonObject], JsonObject]]

_DESCRIPTORS = re.compile(r"/proc/[^/]+(/task/[^/]+)?/fd")
_MOST_LINKS = 40
# Faults of the path that was named: another one would do.
_WRONG_PATH = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.ENXIO,
}

DAMAGED_HINT = "restore it from a copy, or move it away"
_RESULTS_HINT = "choose another folder with --results-dir or free space on this one"
_OUTPUT_HINT = "name another file with --output, or free space on this disk"


def check_folder(folder: Path, hint: str) -> None:
    """Return if files can be made in ``folder``, which need not be there yet. Makes nothing.

    Raises:
        ConfigurationError: It is a file, or below one.
        StorageError: This user may not write there.
    """
    try:
        existing, mode = _nearest(folder)
    except ValueError as error:  # a NUL character
        raise WrongPathError(f"cannot write in {folder}: {error}", hint=hint) from error
    except OSError as error:  # a name too long, a folder that may not be entered
        raise describe_fault(error, f"cannot write in {folder}", hint) from error
    if not stat.S_ISDIR(mode):
        raise ConfigurationError(f"cannot write in {folder}: {existing} is a file", hint=hint)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise StorageError(f"cannot write in {folder}: {existing} is not yours to write", hint=hint)


def _nearest(folder: Path) -> tuple[Path, int]:
    """``folder``, or the nearest around it that is there, and its mode."""
    for path in (folder, *folder.parents):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return path, path.stat().st_mode
    raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))


def write_bytes(path: Path, data: bytes, hint: str = _RESULTS_HINT) -> None:
    """Write ``data`` to ``path``: temporary file beside it, fsync, rename, fsync of the folder.

    Args:
        path: The file.
        data: Its content.
        hint: What to do where it cannot be written.

    Raises:
        StorageError: The file cannot be written there.
    """
    with _storage_errors(path, hint), _temporary(path, data) as temporary:
        temporary.replace(path)


def write_output(path: Path, data: bytes, hint: str = _OUTPUT_HINT) -> None:
    """Write to a file that a user named: as ``write_bytes``, but in place of no link or device.

    A link is followed, an existing file keeps its mode, and into a device, a pipe or an open
    descriptor (``/dev/null``, ``/dev/stdout``) the data are poured.

    Raises:
        StorageError: The file cannot be written there.
    """
    with _storage_errors(path, hint):
        mode = path.stat().st_mode if path.exists() else None
        if _is_descriptor(path) or (mode is not None and not stat.S_ISREG(mode)):
            _pour(path, data)
            return
        target = Path(os.path.realpath(path))
        with _temporary(target, data, mode) as temporary:
            temporary.replace(target)


def _is_descriptor(path: Path) -> bool:
    """Whether it leads to a file that is open already, as ``/dev/stdout`` does."""
    for _ in range(_MOST_LINKS):
        if _DESCRIPTORS.fullmatch(os.path.realpath(path.parent)):
            return True
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return False


def _pour(path: Path, data: bytes) -> None:
    # Appending: what is open already may be a file that others write to as well.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def create_text(path: Path, text: str) -> None:
    """Write a new UTF-8 file as ``write_bytes`` does, and fail if ``path`` is there already.

    Raises:
        FileExistsError: Somebody has that name.
        StorageError: The file cannot be written there.
    """
    with _storage_errors(path), _temporary(path, text.encode()) as temporary:
        created = _place_new(temporary, path)
    if not created:
        raise FileExistsError(errno.EEXIST, "the name is taken", str(path))


def write_text(path: Path, text: str, hint: str = _RESULTS_HINT) -> None:
    """``write_bytes`` for UTF-8 text."""
    write_bytes(path, text.encode(), hint)


def read_stored(path: Path) -> bytes:
    """The content of one of our files; never waits for a writer, as reading a pipe would.

    Raises:
        OSError: It cannot be read, or is no file (``EINVAL`` for a pipe, a socket or a device).
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))
        return file.read()


def _open_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)


def read_json(path: Path, *, version: int, migrations: Migrations) -> JsonObject:
    """Read one of our JSON files as schema ``version``.

    Args:
        path: The file.
        version: The schema version that the caller understands.
        migrations: From an older version to the function that makes the next one of it.

    Raises:
        FileNotFoundError: There is no such file.
        StorageError: It cannot be read, or is not what we write.
        SchemaVersionError: Its version is newer, or older without a way up.
    """
    try:
        content = read_stored(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise describe_fault(error, f"cannot read {path}") from error
    return parse_json(content, path, version=version, migrations=migrations)


def parse_json(content: bytes, path: Path, *, version: int, migrations: Migrations) -> JsonObject:
    """``read_json`` for content that was read already; ``path`` is named in errors."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or too deep
        why = error if content else "it is empty"
        raise DamagedFileError(f"{path} is damaged: {why}", hint=DAMAGED_HINT) from error
    if not isinstance(data, dict) or not _is_version(data.get("schema_version")):
        raise DamagedFileError(
            f"{path} names no schema_version, so lem did not write it", hint=DAMAGED_HINT
        )
    return _migrate(data, path, version=version, migrations=migrations)


def _is_version(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _migrate(data: JsonObject, path: Path, *, version: int, migrations: Migrations) -> JsonObject:
    found = check_version(data["schema_version"], path, version=version)
    for step in range(found, version):
        if step not in migrations:
            raise SchemaVersionError(
                f"{path} has schema version {found}, and there is no way from {step} to {version}",
                hint="read it with the older llenergymeasure that wrote it, or measure again",
            )
        data = {**migrations[step](dict(data)), "schema_version": step + 1}
    return data


def check_version(found: int, path: Path, *, version: int) -> int:
    """Return ``found`` unless it is newer than ``version``.

    Raises:
        SchemaVersionError: A newer llenergymeasure wrote the file.
    """
    if found > version:
        raise SchemaVersionError(
            f"{path} has schema version {found}, written by a newer lem; "
            f"this one reads up to {version}",
            hint="read it with the newer lem that wrote it",
        )
    return found


def _place_new(temporary: Path, path: Path) -> bool:
    """Give ``temporary`` its name; False if the name is taken. A link never replaces a file."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
    else:
        return True
    # No hard links on this file system: claim the name first, then fill it.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    temporary.replace(path)
    return True


@contextlib.contextmanager
def _storage_errors(path: Path, hint: str = _RESULTS_HINT) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise describe_fault(error, f"cannot write {path}", hint) from error


def describe_fault(error: OSError, what: str, hint: str | None = None) -> StorageError:
    """What an operation on files failed of: the path itself, or the disk and its permissions."""
    kind = WrongPathError if error.errno in _WRONG_PATH else StorageError
    return kind(f"{what}: {error.strerror or error}", hint=hint)


@contextlib.contextmanager
def _temporary(path: Path, data: bytes, mode: int | None = None) -> Iterator[Path]:
    """A synced file beside ``path``; gone afterwards unless renamed. Then syncs the folder.

    Args:
        path: What it is to become.
        data: What it holds.
        mode: Who may do what with it; None is what a new file of this user's would have.
    """
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; results are meant to be shared.
        temporary.chmod(0o666 & ~_umask() if mode is None else stat.S_IMODE(mode))
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # a file, or a loop of links
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder", str(folder)) from error


def _umask() -> int:
    # The only portable way to read it is to set it.
    current = os.umask(0o022)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
