"""What must hold for every command there is: the click tree is walked, so a new one is included."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import click
import pytest

from llenergymeasure import cli
from llenergymeasure.cli.root import lem

from .conftest import call

pytestmark = pytest.mark.usefixtures("measured_place")
Captured = pytest.CaptureFixture[str]

# A call of each command that ends well and prints something; a list, where it has several forms.
CALLS: dict[str, list[list[str]]] = {
    "experiment": [["tiny.json", "--dry-run"], ["tiny.json", "other.json", "--dry-run"]],
    "aggregate": [[], ["latest", "--yes"]],
    "measure": [["--", "true"]],
    "results list": [[], ["--all"]],
    "results show": [["latest"]],
    "results timeseries": [["latest", "-o", "series.csv", "--yes"]],
    "results export": [[], ["-f", "json"], ["-o", "all.csv", "--yes"]],
    "results prune": [[], ["--dry-run"]],
    "explain": [[], ["no_gpu"]],
    "config validate": [["tiny.json"]],
    "config show": [["tiny.json"]],
    "config list": [["-d", "."]],
    "config new": [["new.yaml", "--yes"]],
    "config schema": [[], ["-o", "schema.json", "--yes"]],
    "config generate-grid": [["tiny.json", "--vary", "seed=1,2"]],
    "init": [["--non-interactive", "--yes"]],
    "presets": [[]],
    "datasets": [[]],
    "gpus": [[]],
    "backends": [[], ["--check", "none"]],
    "doctor": [[]],
}
# Its stdout belongs to the command that it measures, and it takes no --json.
_NOT_ITS_OWN = {"measure"}


def paths(group: click.Group = lem, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that call each group and each command."""
    yield before
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from paths(command, (*before, name))
        else:
            yield (*before, name)


def find_command(name: str) -> click.Command:
    """The command that these words call."""
    found: click.Command = lem
    for word in name.split():
        assert isinstance(found, click.Group)
        command = found.get_command(click.Context(found), word)
        assert command is not None
        found = command
    return found


PATHS = list(paths())
OWN = [
    [*name.split(), *arguments]
    for name, calls in CALLS.items()
    if name not in _NOT_ITS_OWN
    for arguments in calls
]


LISTS = [["doctor"], ["backends"], ["gpus"], ["explain"], ["presets"], ["datasets"]]
LISTS += [["config", "list", "-d", "."], ["results", "list", "--all"]]


def show_on_terminal(args: list[str], columns: int) -> str:
    """What a terminal of so many columns gets on stdout."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (40, columns))
    got: list[bytes] = []

    def read() -> None:
        # At the end Linux gives an error where others give nothing.
        with suppress(OSError):
            while chunk := os.read(leader, 65536):
                got.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with stream("stdout", os.fdopen(follower, "w")):
        assert cli.main(args) == 0
    reader.join()
    os.close(leader)
    return b"".join(got).decode().replace("\r\n", "\n")


def no_room() -> TextIO:
    return open("/dev/full", "w")


def not_for_writing() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_RDONLY))


def gone_terminal() -> TextIO:
    leader, follower = pty.openpty()
    os.close(leader)
    return os.fdopen(follower, "w")


FAULTS: dict[str, Callable[[], TextIO]] = {
    "No space left on device": no_room,
    "Bad file descriptor": not_for_writing,
    "Input/output error": gone_terminal,
}


@contextmanager
def stream(name: str, faulty: TextIO) -> Iterator[None]:
    with faulty, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, name, faulty)
        yield


def lost(args: list[str], faulty: TextIO, capsys: Captured) -> tuple[int, list[str]]:
    """Exit code and lines on stderr of a call whose stdout takes nothing."""
    capsys.readouterr()
    with stream("stdout", faulty):
        code = cli.main(args)
    return code, capsys.readouterr().err.splitlines()


def test_every_command_is_called_here() -> None:
    groups = {path[:length] for path in PATHS for length in range(len(path))}
    assert set(CALLS) == {" ".join(path) for path in PATHS if path not in groups}


# Progress, what is still awaited, and what somebody should know: never the answer.
BESIDE = re.compile(
    r"experiment \S+ \(log: .*\)|\[[\d minhs]+\] .*|looking .*|(Warning|Note): .*"
    # Other tests may measure beside this one.
    r"|.* under way on this machine: .*"
)


def assert_one_document(out: str, err: str) -> None:
    json.loads(out)
    assert [line for line in err.splitlines() if not BESIDE.fullmatch(line)] == []


def test_a_measurement_as_json_is_one_document_and_beside_it_only_progress(measured: Path) -> None:
    assert_one_document((measured / "told.out").read_text(), (measured / "told.err").read_text())


@pytest.mark.parametrize("args", OWN, ids=" ".join)
def test_json_is_one_document_and_no_table_beside_it(args: list[str]) -> None:
    code, out, err = call("--json", *args)
    assert code == 0
    assert_one_document(out, err)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_that_cannot_be_written_is_one_line(path: tuple[str, ...], capsys: Captured) -> None:
    code, told = lost([*path, "--help"], no_room(), capsys)
    assert (code, told) == (1, ["Error: stdout cannot be written: No space left on device"])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("args", [["--version"], ["presets"], ["--json", "presets"]], ids=" ".join)
def test_whatever_the_fault_of_stdout_it_is_one_line(
    args: list[str], fault: str, capsys: Captured
) -> None:
    code, told = lost(args, FAULTS[fault](), capsys)
    assert (code, told) == (1, [f"Error: stdout cannot be written: {fault}"])


@pytest.mark.parametrize("flags", [["--quiet"], ["--json", "--quiet"]], ids=" ".join)
@pytest.mark.parametrize("args", OWN, ids=" ".join)
def test_output_that_cannot_be_written_is_one_line(
    args: list[str], flags: list[str], capsys: Captured
) -> None:
    expected = cli.main([*flags, *args]), capsys.readouterr()
    assert expected[0] == 0
    if not expected[1].out:
        return
    code, told = lost([*flags, *args], no_room(), capsys)
    assert (code, told) == (1, ["Error: stdout cannot be written: No space left on device"])


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["plain", "json"])
@pytest.mark.parametrize("args", OWN, ids=" ".join)
def test_neither_stream_takes_anything(args: list[str], flags: list[str], capsys: Captured) -> None:
    with stream("stderr", no_room()):
        assert lost([*flags, *args], no_room(), capsys) == (1, [])


@pytest.mark.parametrize("args", OWN, ids=" ".join)
def test_a_full_stderr_costs_nothing(args: list[str], capsys: Captured) -> None:
    with stream("stderr", no_room()):
        assert cli.main([*args, "-v"]) == 0
    assert capsys.readouterr().out


def test_a_users_mistake_keeps_its_words_and_its_code(capsys: Captured) -> None:
    code, told = lost(["--json", "explain", "nonsense"], no_room(), capsys)
    assert code == 2
    assert "Error: stdout cannot be written: No space left on device" in told
    assert "Error: there is no reason code 'nonsense'" in told


def test_a_reader_that_has_gone_is_no_failure_to_speak_of(capsys: Captured) -> None:
    unread, written = os.pipe()
    os.close(unread)
    assert lost(["presets"], os.fdopen(written, "w"), capsys) == (1, [])


def test_a_full_disk_costs_no_measured_command_its_code() -> None:
    with stream("stderr", no_room()):
        args = ["measure", "--backend", "none", "--", "sh", "-c", "exit 3"]
        assert cli.main(args) == 3


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("args", LISTS, ids=" ".join)
def test_a_list_fits_a_terminal_without_a_colour_where_none_is_wanted(
    args: list[str], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = show_on_terminal(args, columns)
    assert "\x1b[" in shown or args[0] in ("presets", "gpus")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = show_on_terminal(args, columns)
    assert "\x1b" not in plain
    # A path or a command to copy stays in one piece; all else fits.
    wide = [line for line in plain.splitlines() if len(line) > columns]
    assert [line for line in wide if len(line.split()) > 1 and "lem " not in line] == []


@pytest.mark.parametrize("args", LISTS, ids=" ".join)
def test_a_list_in_a_pipe_holds_no_colour(args: list[str]) -> None:
    _, out, err = call(*args)
    assert "\x1b" not in out + err
    assert max(map(len, out.splitlines())) <= 400
