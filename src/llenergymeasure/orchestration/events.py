"""How the measuring process tells its parent where it stands: lines of JSON in a file.

A file, not a pipe: it survives either side, works through containers and launchers, and shows
afterwards what happened.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from llenergymeasure.progress import Progress

TICK_S = 0.5
EVENTS_SCHEMA_VERSION = 1


class EventWriter:
    """The child's side. A thread writes the current progress twice a second.

    The measured thread only changes two counters; it never writes while it measures.
    """

    def __init__(self, path: Path, planned_cycles: int) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._planned_cycles = planned_cycles
        self._phase = "starting"
        self._cycle: int | None = None
        self._since_ns = time.monotonic_ns()
        self._done = 0
        self._total = 0
        self._output_tokens = 0
        self._thread = threading.Thread(target=self._tick, name="lem-events", daemon=True)

    def __enter__(self) -> EventWriter:
        self._write({"type": "header", "schema_version": EVENTS_SCHEMA_VERSION})
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._file.close()

    def phase(self, name: str, *, cycle: int | None = None, total: int = 0) -> None:
        """Enter a phase; its counters start at zero."""
        self._phase, self._cycle, self._total = name, cycle, total
        self._done = self._output_tokens = 0
        self._since_ns = time.monotonic_ns()
        self._write_progress()

    def answered(self, output_tokens: int) -> None:
        """Count one answered request. Cheap: called inside the measured window."""
        self._done += 1
        self._output_tokens += output_tokens

    def notice(self, message: str) -> None:
        """Tell a person something."""
        self._write({"type": "notice", "message": message})

    def saved(self) -> None:
        """Say that every result is saved: whatever happens from here on costs none."""
        self._write({"type": "saved"})

    def failure(self, *, kind: str, message: str, hint: str | None, exit_code: int) -> None:
        """Say why this process is going to end without a result."""
        self._write(
            {
                "type": "failure",
                "kind": kind,
                "message": message,
                "hint": hint,
                "exit_code": exit_code,
            }
        )

    def _tick(self) -> None:
        while not self._stop.wait(TICK_S):
            self._write_progress()

    def _write_progress(self) -> None:
        self._write(
            {
                "type": "progress",
                "phase": self._phase,
                "cycle": self._cycle,
                "planned_cycles": self._planned_cycles,
                "requests_done": self._done,
                "requests_total": self._total,
                "output_tokens": self._output_tokens,
                "phase_elapsed_s": (time.monotonic_ns() - self._since_ns) / 1e9,
            }
        )

    def _write(self, event: dict[str, Any]) -> None:
        line = json.dumps({"t_monotonic_ns": time.monotonic_ns(), **event})
        with self._lock:
            if not self._file.closed:
                self._file.write(line + "\n")
                self._file.flush()


class EventReader:
    """The parent's side: what was written since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def new_events(self) -> list[dict[str, Any]]:
        """All complete lines that were added; a line still being written waits."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                chunk = file.read()
        except FileNotFoundError:
            return []
        complete = chunk[: chunk.rfind(b"\n") + 1]
        self._position += len(complete)
        return [event for line in complete.splitlines() if (event := _parse(line)) is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def progress_of(event: dict[str, Any]) -> Progress:
    """The progress that a ``progress`` event tells."""
    fields = {key: value for key, value in event.items() if key not in ("type", "t_monotonic_ns")}
    return Progress(**fields)
