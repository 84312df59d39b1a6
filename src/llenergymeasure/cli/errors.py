"""The one place where an exception becomes words and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, TypeGuard

import click

from llenergymeasure.cli.display.text.shortening import shorten_all
from llenergymeasure.cli.streams import OutputLostError
from llenergymeasure.constants import (
    EXIT_INPUT_WRONG,
    EXIT_INTERRUPTED,
    EXIT_OWN_FAILURE,
    EXIT_RUN_FAILED,
)
from llenergymeasure.exceptions import LLEnergyMeasureError

_NEWLINE = "\n"
_GONE_HINT = "the folder that lem was started in has been removed; cd to one that is there"


def exit_code_of(error: BaseException, args: Sequence[str]) -> int:
    """Tell the user about an error (as JSON too, if asked for) and return the exit code."""
    if isinstance(error, OutputLostError):
        _tell_lost_output(error)
        return EXIT_RUN_FAILED
    json_wanted = "--json" in _before_dashes(args)
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and not json_wanted:
        error.show()
        return EXIT_INPUT_WRONG
    described = _describe(error)
    if _is_folder_gone() and not _is_interruption(error):
        described["hint"] = _GONE_HINT
    if described["hint"] is None:
        del described["hint"]
    described = shorten_all(described)
    code = _code(error)
    if json_wanted:
        _write_document({**_describe_outcomes(error), "error": described, "exit_code": code})
    _tell(described)
    if _is_bug(error) and _verbose(args):
        sys.stderr.write(_story(error))
    return code


def _describe_outcomes(error: BaseException) -> dict[str, Any]:
    """What a series had measured when it was interrupted; empty for any other error."""
    outcomes = getattr(error, "outcomes", None)
    if outcomes is None:
        return {}
    from llenergymeasure.cli.display.series import describe_series

    return describe_series(outcomes)


def _write_document(document: dict[str, Any]) -> None:
    from llenergymeasure.cli.display.text.json_output import write_json

    try:
        write_json(document)
    except OutputLostError as lost:
        # What went wrong first is still told on stderr, and keeps its exit code.
        _tell_lost_output(lost)


def _tell_lost_output(lost: OutputLostError) -> None:
    if not lost.is_unread:
        _tell({"message": str(lost)})


def _describe(error: BaseException) -> dict[str, Any]:
    kind = type(error).__name__
    if isinstance(error, LLEnergyMeasureError):
        described = {"type": kind, "message": error.message, "hint": error.hint}
        if hasattr(error, "as_data"):
            described["problems"] = error.as_data()
        return described
    if isinstance(error, click.ClickException):
        hint = None
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"see {error.ctx.command_path} --help"
        message = " ".join(error.format_message().split())
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            message = "Missing command."
        return {"type": kind, "message": message, "hint": hint}
    if _is_interruption(error):
        return {"type": "Interrupted", "message": "interrupted", "hint": None}
    if _is_missing_folder(error):
        return {"type": kind, "message": "there is no current folder", "hint": None}
    if _is_fault_of_a_file(error):
        return {"type": kind, "message": _translate(error).message, "hint": None}
    from llenergymeasure.security import redact

    return {
        "type": kind,
        "message": redact(f"this is a bug in lem: {kind}: {error}"),
        "hint": f"full traceback: {_save_story(error)}; please report it",
    }


def _code(error: BaseException) -> int:
    if isinstance(error, LLEnergyMeasureError):
        return error.exit_code
    if _is_interruption(error):
        return EXIT_INTERRUPTED
    if isinstance(error, click.UsageError) and error.ctx and error.ctx.command.name == "measure":
        # 2 could be the measured command's own.
        return EXIT_OWN_FAILURE
    if isinstance(error, click.ClickException):
        return EXIT_INPUT_WRONG
    unset = EXIT_INPUT_WRONG if _is_missing_folder(error) else EXIT_RUN_FAILED
    if _is_fault_of_a_file(error):
        unset = _translate(error).exit_code
    return int(getattr(error, "exit_code", unset))


def _is_bug(error: BaseException) -> bool:
    known = (LLEnergyMeasureError, click.ClickException, click.Abort, KeyboardInterrupt)
    outside = _is_missing_folder(error) or _is_fault_of_a_file(error)
    return not isinstance(error, known) and not outside


def _is_interruption(error: BaseException) -> bool:
    return isinstance(error, click.Abort | KeyboardInterrupt)


def _is_folder_gone() -> bool:
    """Whether the current folder has been removed: every relative path then leads nowhere."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib costs a third of the start-up
    except OSError:
        return True
    return False


def _is_missing_folder(error: BaseException) -> bool:
    # getcwd names no file in its error; whatever else fails here says which.
    gone = isinstance(error, FileNotFoundError) and error.filename is None
    return gone and _is_folder_gone()


def _is_fault_of_a_file(error: BaseException) -> TypeGuard[OSError]:
    # The disk, its permissions, a path: all that the system refuses by a file's name.
    return isinstance(error, OSError) and error.filename is not None


def _translate(error: OSError) -> LLEnergyMeasureError:
    from llenergymeasure.durable import describe_fault

    return describe_fault(error, os.fsdecode(error.filename))


def _tell(described: dict[str, Any]) -> None:
    from llenergymeasure.cli.display.text.notices import tell

    text = str(described["message"])
    problems = len(described.get("problems", ()))
    if problems > 1:
        listed = "".join(f"{_NEWLINE}  {line}" for line in text.split(_NEWLINE))
        text = f"{problems} problems{listed}"
    tell("Error:", text, fg="red", hang=4 if problems > 1 else 2)
    if "hint" in described:
        tell("Hint:", described["hint"])


def _save_story(error: BaseException) -> str:
    from tempfile import NamedTemporaryFile

    from platformdirs import user_log_path

    story = _story(error)
    try:
        folder = user_log_path("llenergymeasure")
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(
            "w", prefix="bug-", suffix=".log", dir=folder, delete=False, encoding="utf-8"
        ) as file:
            file.write(story)
    except OSError:
        sys.stderr.write(story)
        return "the lines above"
    return file.name


def _story(error: BaseException) -> str:
    from llenergymeasure.security import printable, redact

    return printable(redact("".join(traceback.format_exception(error))), keep=_NEWLINE)


def _before_dashes(args: Sequence[str]) -> Sequence[str]:
    return args[: args.index("--")] if "--" in args else args


def _verbose(args: Sequence[str]) -> bool:
    given = _before_dashes(args)
    return any(arg == "--verbose" or (arg[:2] == "-v" and set(arg[1:]) == {"v"}) for arg in given)
