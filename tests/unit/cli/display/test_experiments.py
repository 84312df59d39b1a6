from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.experiments import show_entries
from llenergymeasure.domain.experiment import ExperimentStatus
from llenergymeasure.domain.validity import ValidityStatus
from llenergymeasure.orchestration.stored.entry import ExperimentEntry, ResultSummary, Trouble
from llenergymeasure.orchestration.stored.inventory import Places
from llenergymeasure.orchestration.stored.selection import SORT_KEYS

Captured = pytest.CaptureFixture[str]
PLACES = Places(Path("results"), Path(".state"))
WIDTHS = [40, 60, 80, 120, 200]
SUMMARY = ResultSummary(
    model="m",
    backend="echo 1",
    cycles=2,
    output_tokens=10,
    output_tokens_per_s=123.4,
    total_j=100.0,
    total_uncertainty_j=2.0,
    j_per_cycle=50.0,
    j_per_cycle_uncertainty=1.0,
    j_per_output_token=5.0,
    j_per_output_token_uncertainty=0.1,
    energy_origin="measured",
    validity=ValidityStatus.VALID,
)
FIRST = ExperimentEntry(
    experiment_id="20301126-113926-839513-6xx4",
    config_name="llama-batch-8",
    status=ExperimentStatus.AGGREGATED,
    reason=None,
    next=None,
    created_at=datetime(2030, 1, 1, tzinfo=UTC),
    cycles_done=2,
    planned_cycles=2,
    results_dir=Path("results"),
    summary=SUMMARY,
)
SECOND = replace(
    FIRST,
    experiment_id="20301126-113928-493361-olba",
    config_name="llama-batch-16",
    summary=replace(SUMMARY, j_per_output_token=7.0, validity=ValidityStatus.INVALID),
)
LONG = "the measuring process ended without a word " * 8
LOST = replace(FIRST, status=Trouble.GONE, reason=LONG, summary=None, config_name="lost")


def table(
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    entries: list[ExperimentEntry],
    *,
    everything: bool = False,
) -> str:
    narrow = Console(width=width, highlight=False)
    monkeypatch.setattr("llenergymeasure.cli.display.text.console.console", lambda: narrow)
    show_entries(entries, PLACES, GlobalOptions(), everything=everything, of=len(entries))
    out = capsys.readouterr().out
    assert all(len(line) <= width for line in out.splitlines()), out
    return out


@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_verdicts_are_there_at_any_width(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    out = table(capsys, monkeypatch, width, [FIRST, SECOND])
    for entry in (FIRST, SECOND):
        assert entry.experiment_id in out and str(entry.config_name) in out
    assert "invalid" in out
    assert ("J/output token" in out.splitlines()[0]) == (width >= 80)
    # What is the same in every row is told once, where it has no column.
    assert "aggregated" in out and "2/2" in out


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_the_same_in_every_row_goes_first(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    entries = [FIRST, replace(SECOND, config_name=FIRST.config_name)]
    out = table(capsys, monkeypatch, width, entries)
    assert str(FIRST.config_name) in out and "invalid" in out
    if width == 60:
        assert "in every row" in out and "J/output token" in out.splitlines()[0]
        assert "config" not in out.splitlines()[0]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_long_reason_takes_few_lines(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    out = table(capsys, monkeypatch, width, [FIRST, SECOND, LOST], everything=True)
    assert out.count("\n", out.index("lost")) <= 8
    assert "lost" in out and "gone" in out and "the measuring" in out


def test_everything_is_shown_where_there_is_room(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = table(capsys, monkeypatch, 200, [FIRST, SECOND, LOST], everything=True)
    assert "no room" not in out and "in every row" not in out


def test_runs_of_different_numbers_of_cycles_compare(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess = {"total_j": 300.0, "total_uncertainty_j": 120.0, "j_per_cycle_uncertainty": 20.0}
    guess |= {"cycles": 6, "energy_origin": "estimated", "j_per_output_token_uncertainty": None}
    other = replace(SECOND, summary=replace(SUMMARY, **guess))
    out = table(capsys, monkeypatch, 200, [FIRST, other])
    first, second = out.splitlines()[-2:]
    assert "50.0 \u00b1 1.0 measured" in first and "5.00 \u00b1 0.10 measured" in first
    assert "50 \u00b1 20 estimated" in second and "5.000 estimated" in second
    # What is summed over cycles has no column, and nothing is sorted by it.
    assert "100" not in first and "300" not in second
    sums = {"total_j", "output_tokens", "duration_s"}
    assert not sums & set(SORT_KEYS)
