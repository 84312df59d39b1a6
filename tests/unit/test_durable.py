from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.durable import (
    check_folder,
    create_text,
    read_json,
    write_bytes,
    write_output,
    write_text,
)
from llenergymeasure.exceptions import ConfigurationError, SchemaVersionError, StorageError


def left_overs(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_text(path, "grüße")
    assert path.read_text(encoding="utf-8") == "grüße"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert left_overs(path.parent) == []


def test_a_file_can_be_read_by_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "x", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    path = tmp_path / "x"
    write_text(path, "old")

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if broken == "fsync" else (Path, "replace")), fail)
    with pytest.raises(StorageError, match=r"cannot write .*x: No space left"):
        write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert left_overs(tmp_path) == []


def test_data_is_synced_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("sync"), fsync(fd)))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (steps.append("rename"), replace(self, to))[1]
    )
    write_text(tmp_path / "x", "data")
    assert steps == ["sync", "rename", "sync"]


def test_a_file_in_the_folders_place_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_text(tmp_path / "results" / "x", "")
    with pytest.raises(StorageError, match="cannot write"):
        create_text(tmp_path / "results" / "x", "")


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_never_replaces_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    create_text(tmp_path / "x", "first")
    with pytest.raises(FileExistsError):
        create_text(tmp_path / "x", "second")
    assert (tmp_path / "x").read_text() == "first"
    assert left_overs(tmp_path) == []


def write_version(path: Path, version: object) -> Path:
    path.write_text(f'{{"schema_version": {version}, "old_name": 1}}')
    return path


def test_the_same_version_is_read_as_it_is(tmp_path: Path) -> None:
    data = read_json(write_version(tmp_path / "x", 3), version=3, migrations={})
    assert data == {"schema_version": 3, "old_name": 1}


def test_an_older_version_is_brought_up_step_by_step(tmp_path: Path) -> None:
    data = read_json(
        write_version(tmp_path / "x", 1),
        version=3,
        migrations={
            1: lambda d: {"new_name": d["old_name"]},
            2: lambda d: {**d, "added": 2},
        },
    )
    assert data == {"schema_version": 3, "new_name": 1, "added": 2}


def test_an_older_version_without_a_way_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaVersionError, match="no way from 2 to 3") as caught:
        read_json(write_version(tmp_path / "x", 1), version=3, migrations={1: lambda d: d})
    assert "older llenergymeasure" in (caught.value.hint or "")


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaVersionError, match="newer lem") as caught:
        read_json(write_version(tmp_path / "x", 4), version=3, migrations={})
    assert "newer lem" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"schema_version": 1'])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"x\.json is damaged"):
        read_json(tmp_path / "x.json", version=1, migrations={})


@pytest.mark.parametrize(
    "content", ["[]", "3", "{}", '{"schema_version": "1"}', '{"schema_version": true}']
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(StorageError, match="no schema_version"):
        read_json(tmp_path / "x.json", version=1, migrations={})


def test_a_file_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "x.json", version=1, migrations={})


def test_a_folder_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b", "hint")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_the_user_s_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is a file") as caught:
        check_folder(tmp_path / "file" / "results", "choose another")
    assert caught.value.hint == "choose another"


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(StorageError, match="cannot write in"):
            check_folder(tmp_path / name, "hint")


def test_an_output_goes_through_a_link_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    file, link = tmp_path / "there" / "x", tmp_path / "link"
    link.symlink_to(file)
    write_output(link, b"first")
    assert (link.is_symlink(), file.read_bytes()) == (True, b"first")
    file.chmod(0o600)
    write_output(link, b"second")
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"second", 0o600)
    assert left_overs(tmp_path) + left_overs(file.parent) == []


def test_an_output_never_takes_the_place_of_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_output(pipe, b"poured")
        assert os.read(reader, 100) == b"poured"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_output_is_added_to_a_file_that_is_open_already(tmp_path: Path, form: str) -> None:
    with (tmp_path / "x").open("wb", buffering=0) as file:
        file.write(b"command's\n")
        write_output(Path(form.format(file.fileno())), b"ours")
        assert (tmp_path / "x").stat().st_ino == os.fstat(file.fileno()).st_ino
    assert (tmp_path / "x").read_bytes() == b"command's\nours"


def test_a_full_device_is_an_error_that_names_the_option() -> None:
    with pytest.raises(StorageError) as caught:
        write_output(Path("/dev/full"), b"x")
    assert "/dev/full" in caught.value.message
    assert "--output" in str(caught.value.hint)
