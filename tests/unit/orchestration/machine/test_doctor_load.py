from __future__ import annotations

import pytest

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.checks import show_checks
from llenergymeasure.core.processes.measurements import OtherMeasurement
from llenergymeasure.domain.environment import LoadSample
from llenergymeasure.orchestration.machine.checks import Check, CheckState
from llenergymeasure.orchestration.machine.doctor_load import judge_load, judge_others


def sample(other: float | None, average: float | None = 0.1, interval_s: float = 1.0) -> LoadSample:
    return LoadSample(
        interval_s=interval_s, own_cores=0.5, other_cores=other, load_average_1m=average
    )


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (sample(0.05), CheckState.OK),
        (sample(0.29), CheckState.OK),  # what rounding to clock ticks can feign
        (sample(0.31), CheckState.WARNING),
        (sample(1.9, 12.0), CheckState.WARNING),
        # The others pause for the moment of the look, or wait for a disk.
        (sample(0.0, 12.0), CheckState.WARNING),
        # What this user ran a minute ago on both cores is no queue.
        (sample(0.0, 2.0), CheckState.OK),
        (sample(0.0, None), CheckState.OK),
        (sample(None), CheckState.WARNING),
        (sample(None, 0.0, interval_s=0.0), CheckState.WARNING),
    ],
)
def test_a_busy_machine_is_a_warning(seen: LoadSample, state: CheckState) -> None:
    check = judge_load(seen, cores=2)
    assert check.state is state
    assert (check.hint is None) is (state is CheckState.OK)


def test_the_numbers_are_told() -> None:
    check = judge_load(sample(1.9, 12.0), cores=2)
    assert "1.90 of 2 cores" in check.detail
    assert "load average 12.00" in check.detail
    assert (check.facts["other_cores"], check.facts["cores"]) == (1.9, 2)


def test_other_measurements_are_named() -> None:
    assert judge_others([]).state is CheckState.OK
    check = judge_others([OtherMeasurement(7, "experiment a"), OtherMeasurement(8, "lem measure")])
    assert check.state is CheckState.WARNING
    assert "experiment a (process 7), lem measure (process 8)" in check.detail
    assert check.facts["others"] == [
        {"pid": 7, "what": "experiment a"},
        {"pid": 8, "what": "lem measure"},
    ]


def last_line(checks: list[Check], capsys: pytest.CaptureFixture[str]) -> str:
    show_checks(checks, GlobalOptions())
    return capsys.readouterr().out.splitlines()[-1]


def test_the_last_line_says_what_is_not_ready(capsys: pytest.CaptureFixture[str]) -> None:
    fine = Check("python", CheckState.OK, "3")
    absent = Check("GPUs", CheckState.ABSENT, "none")
    busy, broken = Check("load", CheckState.WARNING, "12"), Check("torch", CheckState.FAILED, "no")
    assert last_line([fine], capsys) == "ready to measure"
    assert last_line([fine, absent], capsys) == "ready to measure; not there: GPUs"
    assert last_line([fine, absent, busy], capsys) == (
        "ready to run; warning: load; not there: GPUs"
    )
    assert last_line([busy, broken, fine], capsys) == "not ready; failed: torch; warning: load"
