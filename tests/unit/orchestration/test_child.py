"""Following the measuring process: time that passes in silence is told."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from llenergymeasure.orchestration import child
from llenergymeasure.progress import Progress, SilentObserver


class Told(SilentObserver):
    def __init__(self) -> None:
        self.all: list[Progress] = []

    def progress(self, progress: Progress) -> None:
        self.all.append(progress)


def event(phase: str, elapsed_s: float) -> dict[str, Any]:
    return {"type": "progress", "phase": phase, "phase_elapsed_s": elapsed_s}


def test_a_child_that_says_nothing_for_a_while_is_still_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    # Python takes 5 s to start, and an import holds every thread from the 10th to the 20th second.
    written = {5: event("loading", 0.0), 10: event("loading", 5.0), 20: event("loading", 15.0)}
    read: set[int] = set()

    def new_events() -> list[dict[str, Any]]:
        new = [at for at in written if at <= clock[0] and at not in read]
        read.update(new)
        return [written[at] for at in new]

    process: Any = SimpleNamespace(poll=lambda: 0 if clock[0] > 21 else None)
    told = Told()
    child._follow(process, SimpleNamespace(new_events=new_events), told)  # type: ignore[arg-type]
    assert [progress.phase for progress in told.all][:2] == ["starting", "starting"]
    times = [progress.phase_elapsed_s for progress in told.all if progress.phase == "loading"]
    assert times == sorted(times)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) > 5
    assert max(gaps) <= child.QUIET_S + 2 * child.POLL_S
