"""The command line: parse, one call into orchestration, display.

Importing this module imports nothing that is slow; each command's module is imported when that
command is called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``lem`` and return its exit code: 0 done, 1 failed, 2 wrong input, 130 interrupted."""
    try:
        from llenergymeasure.cli.interruptions import hear_of_signals, stop_hearing
        from llenergymeasure.cli.streams import guard_streams

        with hear_of_signals(), guard_streams():
            code = _run(list(sys.argv[1:] if argv is None else argv))
            if argv is None:
                # The process is this command's own.
                from llenergymeasure.cli.leaving import end_process

                stop_hearing()
                end_process(code)
    except KeyboardInterrupt:  # while the command began, or while an end was told
        return _INTERRUPTED
    return code


def _run(args: list[str]) -> int:
    from llenergymeasure.cli.errors import exit_code_of

    try:
        from llenergymeasure.cli.root import lem

        _read_dotenv()
        _refuse_nul(args)
        # Without standalone mode click returns the code of ctx.exit, and None otherwise.
        code = lem.main(args, prog_name="lem", standalone_mode=False)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that tells all
        return exit_code_of(error, args)
    return code if isinstance(code, int) else 0


def _refuse_nul(args: Sequence[str]) -> None:
    """A shell cannot give such arguments, Python can: no file and no program has such a name."""
    for arg in args:
        if "\0" in arg:
            from llenergymeasure.exceptions import ConfigurationError

            raise ConfigurationError(f"the argument {arg!r} holds a NUL character")


def _read_dotenv() -> None:
    import os

    if os.path.isfile(".env"):  # noqa: PTH113 - pathlib costs a third of the start-up
        from llenergymeasure.config.sources.dotenv import take_dotenv

        take_dotenv()
