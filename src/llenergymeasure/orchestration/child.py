"""Launching the measuring process and following it to its end."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llenergymeasure.constants import EXIT_INPUT_WRONG, EXIT_OK, LAUNCHER_MODULE
from llenergymeasure.exceptions import (
    ChildProcessDiedError,
    ConfigurationError,
    LLEnergyMeasureError,
    RunError,
    StorageError,
)
from llenergymeasure.orchestration.context import ExperimentContext
from llenergymeasure.orchestration.events import EventReader, progress_of
from llenergymeasure.orchestration.lifecycle import OomWatch, describe_exit, end_group, spawn
from llenergymeasure.progress import Progress, ProgressObserver
from llenergymeasure.results.repository import FileSystemRepository

logger = logging.getLogger(__name__)

POLL_S = 0.1
# How long the child may say nothing before its observer is told that time passes.
QUIET_S = 2.0
# The child writes an event twice a second from a thread of its own. Silence this long means
# that the process is stopped or stuck where not even its threads run.
STALLED_AFTER_S = 600.0
# Taking an engine apart may hang; once everything is saved, nobody waits for it for longer.
CLOSING_S = 120.0


def run_child(
    context: ExperimentContext,
    observer: ProgressObserver,
    on_start: Callable[[int], None],
) -> None:
    """Run the measuring process; returns when it has ended well, or died after its work was done.

    Done is what it said to be saved and what is whole on disk: an engine that crashes while it is
    taken apart costs nothing. Such an end is logged.

    Args:
        context: The saved context.
        observer: Told about progress.
        on_start: Called with the child's PID as soon as it has one.

    Raises:
        ConfigurationError: The child found the input to be wrong.
        RunError: The child failed and said why.
        ChildProcessDiedError: The child died without a word; the message says how.
    """
    # -P keeps the working directory off sys.path: a file of the user's called torch.py must
    # not be imported instead of the engine.
    command = [sys.executable, "-P", "-m", LAUNCHER_MODULE, str(context.path)]
    process = spawn(command, context.output_path)
    try:
        oom = OomWatch(process.pid)
        on_start(process.pid)
        heard = _follow(process, EventReader(context.events_path), observer)
    finally:
        end_group(process)
    returncode, failure = process.returncode, heard.failure
    if returncode == EXIT_OK:
        return
    if heard.saved and _is_whole(context):
        why = str(failure["message"]) if failure else describe_exit(returncode, oom.killed())
        logger.warning("the measuring process ended badly after all results were saved: %s", why)
        return
    logger.error("the measuring process ended with %s", returncode)
    if failure is not None and returncode > 0:
        raise _rebuild_error(failure)
    raise ChildProcessDiedError(
        f"the measuring process died while {_last_phase(context)}: "
        f"{describe_exit(returncode, oom.killed())}",
        hint=f"its output is in {context.output_path}; finished cycles are kept, continue with: "
        f"lem experiment --resume {context.experiment_id}",
    )


@dataclass
class _Heard:
    """What the measuring process has said."""

    saved: bool = False
    failure: dict[str, Any] | None = None


def _is_whole(context: ExperimentContext) -> bool:
    """Whether every cycle of this attempt is on disk, with markers that fit."""
    repository = FileSystemRepository(Path(context.results_dir))
    try:
        return set(context.cycles) <= repository.completed_cycles(context.experiment_id)
    except StorageError:
        return False


def _follow(
    process: subprocess.Popen[bytes], events: EventReader, observer: ProgressObserver
) -> _Heard:
    said = _Heard()
    last = Progress(phase="starting")
    heard = told = time.monotonic()
    give_up = math.inf
    while True:
        # Look for the end first, so that what was written before it is still read after it.
        ended = process.poll() is not None
        for event in events.new_events():
            heard = told = time.monotonic()
            if event["type"] == "progress":
                last = progress_of(event)
                observer.progress(last)
            elif event["type"] == "notice":
                observer.notice(str(event["message"]))
            elif event["type"] == "failure":
                said.failure = event
            elif event["type"] == "saved":
                said.saved = True
                give_up = time.monotonic() + CLOSING_S
        if ended or time.monotonic() > give_up:
            return said
        now = time.monotonic()
        if now - told > QUIET_S:
            # It is busy where not even its threads run: while an engine is imported, for one.
            told = now
            passed_s = last.phase_elapsed_s + now - heard
            observer.progress(replace(last, phase_elapsed_s=passed_s))
        if now - heard > STALLED_AFTER_S:
            raise RunError(
                f"the measuring process gave no sign of life for {STALLED_AFTER_S:.0f} s "
                "and was ended"
            )
        time.sleep(POLL_S)


def _rebuild_error(failure: dict[str, Any]) -> LLEnergyMeasureError:
    kind = ConfigurationError if failure["exit_code"] == EXIT_INPUT_WRONG else RunError
    return kind(str(failure["message"]), hint=failure.get("hint"))


def _last_phase(context: ExperimentContext) -> str:
    events = EventReader(Path(context.events_path)).new_events()
    phases = [event["phase"] for event in events if event["type"] == "progress"]
    return str(phases[-1]) if phases else "starting"
