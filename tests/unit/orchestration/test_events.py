from __future__ import annotations

import json
import time
from pathlib import Path

from llenergymeasure.orchestration.events import EventReader, EventWriter, progress_of


def test_what_is_written_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    assert reader.new_events() == []
    with EventWriter(path, planned_cycles=2) as writer:
        writer.phase("measuring", cycle=1, total=5)
        writer.answered(3)
        writer.notice("look")
        writer.failure(kind="BackendError", message="broke", hint=None, exit_code=1)
    events = reader.new_events()
    assert events[0]["schema_version"] == 1
    assert [e["type"] for e in events if e["type"] != "progress"] == ["header", "notice", "failure"]
    assert reader.new_events() == []


def test_the_ticker_tells_progress_without_being_asked(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path, planned_cycles=1) as writer:
        writer.phase("measuring", cycle=1, total=5)
        writer.answered(3)
        writer.answered(4)
        deadline = time.monotonic() + 120
        reader, seen = EventReader(path), []
        while time.monotonic() < deadline and not any(p.requests_done == 2 for p in seen):
            seen += [progress_of(e) for e in reader.new_events() if e["type"] == "progress"]
            time.sleep(0.05)
    last = seen[-1]
    assert (last.requests_done, last.requests_total, last.output_tokens) == (2, 5, 7)
    assert last.output_tokens_per_s is not None
    assert last.output_tokens_per_s > 0


def test_a_phase_starts_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path, planned_cycles=1) as writer:
        writer.phase("measuring", cycle=1, total=5)
        writer.answered(3)
        writer.phase("saving", cycle=1)
    progress = [progress_of(e) for e in EventReader(path).new_events() if e["type"] == "progress"]
    assert (progress[-1].phase, progress[-1].requests_done) == ("saving", 0)
    assert progress[-1].output_tokens_per_s is None


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    whole = json.dumps({"type": "notice", "message": "x"})
    path.write_text(f"{whole}\nnot json\n{whole[:10]}", encoding="utf-8")
    assert [e["message"] for e in reader.new_events()] == ["x"]
    path.write_text(f"{whole}\nnot json\n{whole}\n", encoding="utf-8")
    assert [e["message"] for e in reader.new_events()] == ["x"]
