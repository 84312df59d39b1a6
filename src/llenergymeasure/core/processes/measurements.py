"""Other measurements of ours that are under way on this machine, of whichever user.

They are known by their command lines: a state folder tells only of experiments that share it. Not
found are processes that use ``EnergyMeter``, those of another container, and those of other users
where /proc hides them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from llenergymeasure.constants import LAUNCHER_MODULE
from llenergymeasure.core.processes.ownership import find_common_root

_PROGRAM = "lem"
_PACKAGE = "llenergymeasure"
_MEASURING_COMMANDS = ("experiment", "measure")

_MOST_NAMED = 3


@dataclass(frozen=True)
class OtherMeasurement:
    """A measurement that is not this one.

    Attributes:
        pid: Of the process that measures, or of the one that will start it.
        what: ``experiment ID`` or ``lem measure``.
    """

    pid: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid})"


def find_other_measurements() -> list[OtherMeasurement]:
    """Measurements of which this process is no part: neither above it, below it, nor beside it."""
    commands: dict[int, Sequence[str]] = {}
    parents: dict[int, int] = {}
    for process in psutil.process_iter(["ppid", "cmdline"]):
        commands[process.pid] = process.info["cmdline"] or ()
        parents[process.pid] = process.info["ppid"] or 0
    named = {pid: _describe(command) for pid, command in commands.items()}
    ours = {*_line(os.getpid(), parents), find_common_root()}
    # The one that follows an experiment does not count beside the one that measures.
    followers = {parents[pid] for pid, command in commands.items() if _context_of(command)}
    return [
        OtherMeasurement(pid, what)
        for pid, what in sorted(named.items())
        if what is not None
        and pid not in followers
        and pid not in ours
        and not {os.getpid(), find_common_root()} & set(_line(pid, parents))
    ]


def describe_others() -> str | None:
    """What else is measured now, in words; None if nothing is."""
    others = find_other_measurements()
    if not others:
        return None
    verb = "is" if len(others) == 1 else "are"
    return (
        f"{join_named(others)} {verb} under way on this machine: "
        "they slow each other down, and each counts the other's work; wait until one has ended"
    )


def join_named(others: Sequence[OtherMeasurement]) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(map(str, others[:_MOST_NAMED]))
    more = len(others) - _MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _line(pid: int, parents: Mapping[int, int]) -> list[int]:
    """A process and its ancestors."""
    line = [pid]
    while (parent := parents.get(line[-1], 0)) and parent not in line:
        line.append(parent)
    return line


def _describe(command: Sequence[str]) -> str | None:
    """What a command line measures; None for anything else."""
    context = _context_of(command)
    if context is not None:
        return f"experiment {context.parent.name}"
    own = _arguments_of_lem(command)
    own = own[: own.index("--")] if "--" in own else own
    found = next((word for word in own if word in _MEASURING_COMMANDS), None)
    if found is None or "--dry-run" in own or "--help" in own:
        return None
    return f"{_PROGRAM} {found}"


def _context_of(command: Sequence[str]) -> Path | None:
    """The file that the measuring process of an experiment was given."""
    words = list(command)
    if LAUNCHER_MODULE not in words[:-1] or words[words.index(LAUNCHER_MODULE) - 1] != "-m":
        return None
    return Path(words[words.index(LAUNCHER_MODULE) + 1])


def _arguments_of_lem(command: Sequence[str]) -> Sequence[str]:
    if not command:
        return ()
    if Path(command[0]).name == _PROGRAM:
        return command[1:]
    if not Path(command[0]).name.startswith("python"):
        return ()
    # The interpreter's own options stand before.
    for at, word in enumerate(command[1:], 1):
        if word == "-c":
            return ()
        if word == "-m":
            return command[at + 2 :] if command[at + 1 : at + 2] == [_PACKAGE] else ()
        if not word.startswith("-"):
            return command[at + 1 :] if Path(word).name == _PROGRAM else ()
    return ()
