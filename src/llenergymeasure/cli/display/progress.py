"""How a running experiment looks while one waits. Always on stderr, and cheap.

The screen changes when the run tells something (twice a second), never by a timer of its own:
what this process computes is taken from the machine that is being measured.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import click

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.numbers import seconds, significant
from llenergymeasure.progress import Progress, ProgressObserver, SilentObserver
from llenergymeasure.security import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

PLAIN_EVERY_S = 5.0
_BAR_FROM_COLUMNS = 70
_BAR_WIDTH = 20
_COUNTED = ("warm-up", "measuring")
# After which time without any movement it is said what is awaited.
STILL_AFTER_S = 10.0
_AWAITED = {
    "starting": "waiting for the measuring process to start",
    "loading": "waiting for the model to load",
    "preparing the device": "waiting for the device",
    "preparing the energy source": "waiting for the energy source",
    "idle baseline": "reading idle power",
    "saving": "waiting for the disk",
    "aggregating": "waiting for the results to be read",
}


@contextmanager
def progress_view(options: GlobalOptions) -> Iterator[ProgressObserver]:
    """The observer that fits: a live line on a terminal, plain lines elsewhere, or silence."""
    if options.quiet:
        yield SilentObserver()
        return
    terminal = sys.stderr.isatty() and not options.verbose
    view: _View = TerminalView() if terminal else PlainView()
    try:
        yield view
    finally:
        view.close()


class _View(ProgressObserver, Protocol):
    def close(self) -> None: ...


class _Watch:
    """Remembers when something last moved: an answer, a token, a phase."""

    def __init__(self) -> None:
        self._key: tuple[str, int | None, int, int] | None = None
        self._moved_s = 0.0

    def describe(self, progress: Progress) -> str:
        """A progress in words; where nothing has moved for long, what is awaited.

        The rate is that of the last answer: between batches it would only sink.
        """
        key = (progress.phase, progress.cycle, progress.requests_done, progress.output_tokens)
        if key != self._key:
            self._moved_s = 0.0 if self._is_new_phase(progress) else progress.phase_elapsed_s
            self._key = key
        still_s = progress.phase_elapsed_s - self._moved_s
        moved_s = self._moved_s or progress.phase_elapsed_s
        words = describe_progress(replace(progress, phase_elapsed_s=moved_s))
        if still_s < STILL_AFTER_S:
            return words
        return f"{words}; {_awaited(progress)} for {seconds_passed(still_s)}{busy_words()}"

    def _is_new_phase(self, progress: Progress) -> bool:
        same = self._key is not None and self._key[:2] == (progress.phase, progress.cycle)
        return not same and not progress.requests_done


def _awaited(progress: Progress) -> str:
    if progress.phase not in _COUNTED:
        return _AWAITED.get(progress.phase, f"in {progress.phase}")
    # A batch returns as a whole.
    nth = "next" if progress.requests_done else "first"
    return f"waiting for the {nth} batch"


def busy_words() -> str:
    """What a wait may come from: more that wants to run than this machine has cores."""
    try:
        waiting, cores = os.getloadavg()[0], os.cpu_count() or 1
    except OSError:
        return ""
    if waiting <= cores:
        return ""
    return f" (this machine is busy: load average {waiting:.1f}, {cores} cores)"


@contextmanager
def tell_slow(what: str, options: GlobalOptions) -> Iterator[None]:
    """Within it a line every few seconds says what takes so long; none where it is quick.

    For what happens before a run, where a thread of ours disturbs nothing.
    """
    if options.quiet:
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_tell_until, args=(done, what), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=1)


def _tell_until(done: threading.Event, what: str) -> None:
    begin = time.monotonic()
    while not done.wait(PLAIN_EVERY_S):
        passed = seconds_passed(time.monotonic() - begin)
        click.echo(f"[{passed}] {what} ...{busy_words()}", err=True)


class PlainView:
    """One line a phase, and one every few seconds within it."""

    def __init__(self) -> None:
        self._watch = _Watch()
        self._begin = time.monotonic()
        self._key: tuple[str, int | None] | None = None
        self._told = 0.0

    def started(self, experiment_id: str, log_file: str) -> None:
        """Name the experiment and its log."""
        self.notice(f"experiment {experiment_id} (log: {log_file})")

    def progress(self, progress: Progress) -> None:
        """Print a line, if it is time for one."""
        words = self._watch.describe(progress)
        now = time.monotonic()
        key = (progress.phase, progress.cycle)
        if key == self._key and now - self._told < PLAIN_EVERY_S:
            return
        self._key, self._told = key, now
        self.notice(f"[{seconds_passed(now - self._begin)}] {words}")

    def notice(self, message: str) -> None:
        """Print a line."""
        click.echo(printable(message), err=True)

    def close(self) -> None:
        """Nothing is left on the screen that would have to go."""


class TerminalView:
    """One line that changes in place and is gone when the run ends."""

    def __init__(self) -> None:
        self._watch = _Watch()
        self._begin = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def started(self, experiment_id: str, log_file: str) -> None:  # noqa: ARG002
        """Name the experiment; its log is named when something goes wrong."""
        click.echo(f"experiment {experiment_id}", err=True)

    def progress(self, progress: Progress) -> None:
        """Redraw the line."""
        words = self._watch.describe(progress)
        if self._bar is None:
            # Imported now, while the child loads, and not before it was started.
            self._bar = _new_bar()
            self._bar.start()
            self._task = self._bar.add_task("", total=1.0)
        assert self._task is not None
        passed = seconds_passed(time.monotonic() - self._begin)
        self._bar.update(
            self._task,
            description=f"{printable(words)}  {passed}",
            completed=progress.requests_done,
            total=float(progress.requests_total or 1),
        )
        self._bar.refresh()

    def notice(self, message: str) -> None:
        """Print above the line."""
        if self._bar is None:
            click.echo(printable(message), err=True)
        else:
            self._bar.console.print(printable(message), soft_wrap=True)

    def close(self) -> None:
        """Take the line off the screen."""
        if self._bar is not None:
            self._bar.stop()


def _new_bar() -> Bar:
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    from llenergymeasure.cli.display.text.console import console

    to = console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
    if to.width >= _BAR_FROM_COLUMNS:
        columns.insert(0, BarColumn(bar_width=_BAR_WIDTH))
    return Bar(*columns, console=to, auto_refresh=False, transient=True)


def describe_progress(progress: Progress) -> str:
    """A progress in words: phase, cycle, prompts, rate."""
    words = progress.phase
    if progress.cycle is not None and progress.planned_cycles > 1:
        words += f", cycle {progress.cycle} of {progress.planned_cycles}"
    if progress.requests_total and progress.phase in _COUNTED:
        words += f": {progress.requests_done:,}/{progress.requests_total:,} prompts"
    elif progress.requests_done and progress.phase in _COUNTED:
        # A warm-up that goes on until times are steady has no number to reach.
        words += f": {progress.requests_done:,} prompts so far"
    rate = progress.output_tokens_per_s
    return words if rate is None else f"{words}, {significant(rate, 3)} tok/s"


def seconds_passed(value_s: float) -> str:
    """Elapsed time in whole seconds."""
    return f"{value_s:.0f} s" if value_s < 120 else seconds(value_s)
