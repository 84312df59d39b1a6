"""Why a program cannot be started: told before anything is measured, as a shell would."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from llenergymeasure.orchestration.metering.program import (
    CommandCannotRunError,
    check_runnable,
    explain_failure,
)


def script(folder: Path, content: bytes, mode: int = 0o755) -> str:
    file = folder / "program"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#!/no/such/python3 -u\nprint()\n", "/no/such/python3, is not there"),
        (b"#! /no/such/python3\nprint()\n", "/no/such/python3, is not there"),
        (b"#!no-path\n", "no-path, is not there"),
        (b"#!/bin/sh\r\necho\r\n", "CRLF"),
        (b"#!/no/such/sh\r\necho\r\n", "CRLF"),
        (b"#!\necho\n", "names no interpreter"),
        (b"#!/etc/passwd\n", "/etc/passwd, cannot be executed"),
        (b"#!/etc\n", "/etc, cannot be executed"),
        (b"#!/no/such", "/no/such, is not there"),
    ],
)
def test_a_script_whose_interpreter_is_not_there(
    tmp_path: Path, content: bytes, words: str
) -> None:
    name = script(tmp_path, content)
    with pytest.raises(CommandCannotRunError, match="program cannot be executed") as caught:
        check_runnable(name)
    assert words in str(caught.value)
    assert caught.value.exit_code == 126
    with pytest.raises(OSError):
        subprocess.run([name], check=False)


@pytest.mark.parametrize(
    "content", [b"#!/bin/sh\nexit 0\n", b"#!/bin/sh -e\r\ntrue\n", b"#!/usr/bin/env sh\nexit 0\n"]
)
def test_what_the_kernel_runs_is_not_refused(tmp_path: Path, content: bytes) -> None:
    name = script(tmp_path, content)
    check_runnable(name)
    subprocess.run([name], check=False)


def test_a_script_that_may_be_run_and_not_read_is_left_to_the_kernel(tmp_path: Path) -> None:
    check_runnable(script(tmp_path, b"#!/no/such\n", mode=0o111) if os.getuid() else "true")


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("no-such-command", 127, "no-such-command: there is no such command"),
        ("", 127, "'': there is no such command"),
        ("./nowhere", 127, "there is no such command"),
        ("/etc/passwd", 126, "/etc/passwd cannot be executed: it has no execute permission"),
        ("/etc", 126, "/etc cannot be executed: it is a folder"),
        (f"./{'x' * 5000}", 127, "there is no such command"),
    ],
)
def test_what_is_not_there(program: str, code: int, words: str) -> None:
    with pytest.raises(CommandCannotRunError) as caught:
        check_runnable(program)
    assert words in str(caught.value)
    assert caught.value.exit_code == code


def start(name: str) -> CommandCannotRunError:
    check_runnable(name)
    with pytest.raises(OSError) as caught:
        os.posix_spawn(name, [name], os.environ)
    return explain_failure(name, caught.value)


def test_a_script_without_a_first_line_that_names_an_interpreter(tmp_path: Path) -> None:
    told = start(script(tmp_path, b"echo hello\n"))
    assert "names no interpreter" in str(told)
    assert told.exit_code == 126


def test_a_program_whose_loader_is_not_there(tmp_path: Path) -> None:
    true = shutil.which("true")
    assert true is not None
    content = Path(true).read_bytes()
    loader = content.find(b"/lib")
    assert loader > 0
    told = start(script(tmp_path, content[:loader] + b"/nix" + content[loader + 4 :]))
    assert "loader" in str(told)
    assert told.exit_code == 126


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\x7fELF", "damaged"),
        (b"\x7fELF\x02\x01\x01\n", "damaged"),
        (b"MZ\x90\x00", "another kind of machine"),
        (b"\n\necho\n", "names no interpreter"),
    ],
)
def test_a_file_that_holds_nothing_to_run(tmp_path: Path, content: bytes, words: str) -> None:
    told = start(script(tmp_path, content))
    assert words in str(told)
    assert told.exit_code == 126
