"""Entry point of the measuring process: ``python -m llenergymeasure.orchestration.launcher FILE``.

FILE is the saved context; it is the only argument. The exit code is 0, 1 (the run failed) or
2 (the input is wrong); why is told through the events file and the log.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from llenergymeasure.config.runtime_env import current_rank
from llenergymeasure.constants import EXIT_INPUT_WRONG, EXIT_OK, EXIT_RUN_FAILED
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.logging import experiment_log
from llenergymeasure.orchestration.context import ExperimentContext, load_context
from llenergymeasure.orchestration.events import EventWriter
from llenergymeasure.orchestration.lifecycle import die_with_parent
from llenergymeasure.security import redact

logger = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """Measure what the context asks for; returns the exit code."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m llenergymeasure.orchestration.launcher CONTEXT_FILE\n")
        return EXIT_INPUT_WRONG
    context = load_context(Path(argv[0]))
    die_with_parent(context.parent_pid)
    signal.signal(signal.SIGTERM, _leave)
    with (
        experiment_log(context.log_path, redact),
        EventWriter(context.events_path, context.planned_cycles) as events,
    ):
        return _measure(context, events)


def _measure(context: ExperimentContext, events: EventWriter) -> int:
    # Imported late, so that whatever goes wrong in it is told through the events.
    try:
        from llenergymeasure.orchestration.measuring.process import measure

        measure(context, current_rank(), events)
    except LLEnergyMeasureError as error:
        logger.exception("the run failed")
        _tell(events, error, error.hint, error.exit_code)
        return error.exit_code
    except Exception as error:
        logger.exception("the run failed unexpectedly")
        _tell(events, error, f"full traceback: {context.log_path}", EXIT_RUN_FAILED)
        return EXIT_RUN_FAILED
    return EXIT_OK


def _tell(events: EventWriter, error: Exception, hint: str | None, exit_code: int) -> None:
    kind = type(error).__name__
    message = str(error) if isinstance(error, LLEnergyMeasureError) else f"{kind}: {error}"
    events.failure(kind=kind, message=redact(message), hint=hint, exit_code=exit_code)


def _leave(number: int, _frame: FrameType | None) -> None:
    # SystemExit unwinds through the clean-up of backend and energy source.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything is closed and on disk. Taking an engine's modules apart would cost a second.
    os._exit(code)
