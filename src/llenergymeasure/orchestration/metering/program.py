"""Whether a program can be started, and why not, in the words of a shell and its exit codes.

The kernel says "no such file" of a script that is there, where its interpreter is not.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

EXIT_CANNOT_RUN = 126
EXIT_NOT_FOUND = 127

# As many bytes as the kernel reads of a script's first line.
_FIRST_LINE_BYTES = 256
# What a compiled program begins with.
_ELF = b"\x7fELF"


class CommandCannotRunError(Exception):
    """The command cannot be started; ``exit_code`` is 126 or 127, as a shell would give."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def check_runnable(program: str) -> None:
    """Find out before anything is measured, so that a typo costs nothing.

    Raises:
        CommandCannotRunError: It is not there, or cannot be executed.
    """
    found = shutil.which(program)
    if found is not None:
        _check_interpreter(program, Path(found))
        return
    named_file = os.sep in program
    if named_file and _exists(Path(program)):
        is_folder = Path(program).is_dir()
        why = "it is a folder" if is_folder else "it has no execute permission (chmod +x)"
        raise CommandCannotRunError(f"{program} cannot be executed: {why}", EXIT_CANNOT_RUN)
    raise CommandCannotRunError(f"{program or repr('')}: there is no such command", EXIT_NOT_FOUND)


def explain_failure(program: str, error: OSError) -> CommandCannotRunError:
    """What to say of a program that looked fine and did not start."""
    found = shutil.which(program)
    if isinstance(error, FileNotFoundError) and found is None:
        return CommandCannotRunError(f"{program}: there is no such command", EXIT_NOT_FOUND)
    why = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        why = "the loader that it names is not there; it was built for another system"
    elif found is not None and error.errno == errno.ENOEXEC:
        why = _why_no_program(Path(found))
    return CommandCannotRunError(f"{program} cannot be executed: {why}", EXIT_CANNOT_RUN)


def _check_interpreter(program: str, script: Path) -> None:
    line = _first_line(script)
    if not line.startswith(b"#!"):
        return
    words = os.fsdecode(line[2:].strip(b" \t")).split(maxsplit=1)
    ends_in_cr = line.endswith(b"\r")
    # The kernel splits at blanks and tabs only: a CR is part of the name.
    interpreter = words[0] + ("\r" if ends_in_cr and len(words) == 1 else "") if words else ""
    if os.access(interpreter, os.X_OK) and not Path(interpreter).is_dir():
        return
    if ends_in_cr:
        why = "its lines end as on Windows (CRLF); convert it: sed -i 's/\\r$//' FILE"
    elif not interpreter:
        why = "its first line, #!, names no interpreter"
    else:
        missing = "cannot be executed" if _exists(Path(interpreter)) else "is not there"
        why = f"the interpreter that its first line names, {interpreter}, {missing}"
    raise CommandCannotRunError(f"{program} cannot be executed: {why}", EXIT_CANNOT_RUN)


def _first_line(path: Path) -> bytes:
    return (_start(path) or b"").split(b"\n", 1)[0]


def _start(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_FIRST_LINE_BYTES)
    except OSError:
        return None  # it may be run and not read


def _why_no_program(path: Path) -> str:
    """Why the kernel finds nothing in a file that it could run."""
    start = _start(path)
    if start == b"":
        return "the file is empty"
    if start is None or b"\x00" in start or start.startswith(_ELF):
        return "it is damaged, or was built for another kind of machine"
    return "its first line names no interpreter (such as #!/bin/sh)"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, a NUL byte
        return False
