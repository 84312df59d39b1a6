"""Several configs in turn: what is one file, and what an interruption keeps, wherever it falls."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llenergymeasure.cli.errors import exit_code_of
from llenergymeasure.exceptions import ExperimentInterruptedError, RunError
from llenergymeasure.orchestration import series
from llenergymeasure.orchestration.planning import RunOptions
from llenergymeasure.orchestration.series import (
    Member,
    MemberStatus,
    SeriesInterruptedError,
    drop_repeats,
    plan_series,
    run_series,
)
from llenergymeasure.progress import SilentObserver

OPTIONS = RunOptions(Path("results"), Path("state"))


def test_one_file_by_any_of_its_names_is_one(tmp_path: Path) -> None:
    file = tmp_path / "grid" / "a.yaml"
    file.parent.mkdir()
    file.write_text("")
    (tmp_path / "link.yaml").symlink_to(file)
    (tmp_path / "same.yaml").hardlink_to(file)  # another name that may be edited apart later
    names = ["grid/a.yaml", "./grid/a.yaml", "grid/../grid/a.yaml", str(file), "link.yaml"]
    files, repeats = drop_repeats([*names, "same.yaml", "grid/a.yaml"])
    assert files == ["grid/a.yaml", "same.yaml"]
    assert repeats == [("grid/a.yaml", name) for name in [*names[1:], "grid/a.yaml"]]


def test_a_name_that_no_file_can_have_is_left_to_the_loader() -> None:
    assert drop_repeats(["a\0b", "x" * 5000]) == (["a\0b", "x" * 5000], [])


def members(*names: str) -> list[Member]:
    config = [SimpleNamespace(config=SimpleNamespace(config_name=name)) for name in names]
    return [Member(f"{one.config.config_name}.yaml", one, OPTIONS) for one in config]  # type: ignore[arg-type]


def interrupt() -> None:
    raise KeyboardInterrupt


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], None]]:
    """What happens while a config of that name is run; nothing happens for another one."""
    during: dict[str, Callable[[], None]] = {}

    def run(loaded: Any, _plan: Any, _options: RunOptions, observer: Any) -> Any:
        name = loaded.config.config_name
        observer.started(f"id-{name}", "log")
        during.get(name, lambda: None)()
        return SimpleNamespace(experiment_id=f"id-{name}", result=None, failure=None)

    monkeypatch.setattr(series, "plan", lambda loaded, _options: loaded)
    monkeypatch.setattr(series, "run_planned", run)
    return during


def outcomes_of(error: SeriesInterruptedError) -> list[tuple[str, str, str | None]]:
    return [(one.source, one.status, one.experiment_id) for one in error.outcomes]


@pytest.mark.parametrize("stop", [interrupt, terminate])
def test_an_interruption_between_two_configs_keeps_what_was_measured(
    stop: Callable[[], None], runs: dict[str, Callable[[], None]]
) -> None:
    def break_down() -> None:
        raise RunError("it broke")

    runs["a"] = break_down

    def stop_after_b(outcome: series.MemberOutcome) -> None:
        if outcome.source == "b.yaml":
            stop()

    planned = plan_series(members("a", "b", "c d"))
    with pytest.raises(SeriesInterruptedError) as caught:
        run_series(planned, SilentObserver(), stop_after_b)
    assert outcomes_of(caught.value) == [
        ("a.yaml", "failed", "id-a"),
        ("b.yaml", "measured", "id-b"),
        ("c d.yaml", "not run", None),
    ]
    assert caught.value.hint == "measure the rest with: lem experiment 'c d.yaml'"


@pytest.mark.parametrize("stop", [interrupt, terminate])
def test_an_interruption_before_a_config_has_begun_keeps_what_was_measured(
    stop: Callable[[], None], runs: dict[str, Callable[[], None]]
) -> None:
    class Stopping(SilentObserver):
        def notice(self, message: str) -> None:
            if message.startswith("2 of 2"):
                stop()

    with pytest.raises(SeriesInterruptedError) as caught:
        run_series(plan_series(members("a", "b")), Stopping(), lambda _: None)
    assert outcomes_of(caught.value) == [
        ("a.yaml", "measured", "id-a"),
        ("b.yaml", "not run", None),
    ]


def test_an_interrupted_config_keeps_its_id_and_how_to_go_on(
    runs: dict[str, Callable[[], None]],
) -> None:
    def stop() -> None:
        raise ExperimentInterruptedError("stopped", hint="lem experiment --resume id-b")

    runs["b"] = stop
    with pytest.raises(SeriesInterruptedError) as caught:
        run_series(plan_series(members("a", "b", "c")), SilentObserver(), lambda _: None)
    assert outcomes_of(caught.value) == [
        ("a.yaml", "measured", "id-a"),
        ("b.yaml", "interrupted", "id-b"),
        ("c.yaml", "not run", None),
    ]
    assert caught.value.hint == "lem experiment --resume id-b"


@pytest.mark.parametrize("stop", [interrupt, terminate])
def test_an_interruption_while_planning_says_that_nothing_ran(
    stop: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series, "plan", lambda _loaded, _options: stop())
    with pytest.raises(SeriesInterruptedError) as caught:
        plan_series(members("a", "b"))
    assert {one.status for one in caught.value.outcomes} == {MemberStatus.NOT_RUN}


def test_the_document_of_an_interruption_holds_the_outcomes(
    runs: dict[str, Callable[[], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SeriesInterruptedError) as caught:
        run_series(plan_series(members("a", "b")), SilentObserver(), lambda _: interrupt())
    assert exit_code_of(caught.value, ["--json"]) == 130
    said = json.loads(capsys.readouterr().out)
    assert said["exit_code"] == 130
    assert said["error"]["hint"] == "measure the rest with: lem experiment b.yaml"
    assert [row["status"] for row in said["experiments"]] == ["measured", "not run"]
    assert said["failed"] == 0
