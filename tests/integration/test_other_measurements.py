"""Measurements that run beside this process are found, and told by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from llenergymeasure.core.machine.load import contention_reason
from llenergymeasure.core.processes import measurements
from llenergymeasure.core.processes.measurements import (
    OtherMeasurement,
    _describe,
    describe_others,
    find_other_measurements,
)
from llenergymeasure.domain.environment import LoadSample, MachineLoad
from llenergymeasure.orchestration.metering.command import measure_command

WAIT = "import sys; print('there', flush=True); sys.stdin.read()"
CONTEXT = "/r/raw/20300101-120000-000000-abcd/context_1.json"


@contextmanager
def stranger(words: Sequence[str]) -> Iterator[int]:
    """A process with such a command line, that descends from nobody here."""
    # An orphan: its starter ends at once.
    start = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], executable=sys.executable, pass_fds=())\n"
        "print(child.pid, flush=True)\n"
    )
    command = [sys.executable, "-c", start, *words]
    starter = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert starter.stdin is not None
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert "there" in starter.stdout.readline()
    starter.wait(60)
    try:
        yield pid
    finally:
        starter.stdin.close()
        starter.stdout.read()  # until it has ended
        starter.stdout.close()


def among_others(pid: int) -> str | None:
    return next((other.what for other in find_other_measurements() if other.pid == pid), None)


def test_an_experiment_of_somebody_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Others may be under way while this runs.
    monkeypatch.setattr(measurements, "_MOST_NAMED", 1000)
    words = ["python", "-c", WAIT, "-m", "llenergymeasure.orchestration.launcher", CONTEXT]
    with stranger(words) as pid:
        assert among_others(pid) == "experiment 20300101-120000-000000-abcd"
        assert f"experiment 20300101-120000-000000-abcd (process {pid})" in (
            describe_others() or ""
        )
        busy = MachineLoad(
            during=LoadSample(interval_s=5, own_cores=1, other_cores=1, load_average_1m=None)
        )
        reason = contention_reason(busy)
        assert reason is not None
        assert f"experiment 20300101-120000-000000-abcd (process {pid})" in reason.detail
        gone = contention_reason(busy, [OtherMeasurement(1, "lem measure")])
        assert gone is not None
        assert "lem measure (process 1)" in gone.detail
    assert among_others(pid) is None


def test_of_many_the_first_are_named() -> None:
    others = [OtherMeasurement(pid, "lem measure") for pid in range(1, 6)]
    assert measurements.join_named(others[:1]) == "lem measure (process 1)"
    assert measurements.join_named(others).endswith("lem measure (process 3) and 2 more")


def test_our_own_measurement_is_none_of_the_others(tmp_path: Path) -> None:
    """What measures this process, and what this process measures."""
    look = (
        "from llenergymeasure.core.processes.measurements import find_other_measurements\n"
        "import os\n"
        "line = {os.getpid(), os.getppid()}\n"
        "assert not line & {other.pid for other in find_other_measurements()}\n"
    )
    lem = str(Path(sys.executable).parent / "lem")
    done = subprocess.run(
        [lem, "measure", "-q", "--backend", "none", "--", sys.executable, "-c", look],
        check=False,
        timeout=120,
    )
    assert done.returncode == 0
    assert measure_command([sys.executable, "-c", look], "none").exit_code == 0


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("/v/bin/python /v/bin/lem experiment a.yaml", "lem experiment"),
        ("/v/bin/python /v/bin/lem --json experiment --resume x", "lem experiment"),
        ("lem measure -- sleep 9", "lem measure"),
        ("python -m llenergymeasure measure sleep 9", "lem measure"),
        (f"python -P -m llenergymeasure.orchestration.launcher {CONTEXT}", "experiment 2030"),
        ("python -m llenergymeasure.orchestration.launcher", None),
        ("/v/bin/python /v/bin/lem experiment --dry-run a.yaml", None),
        ("/v/bin/python /v/bin/lem doctor", None),
        ("python -u /v/bin/lem measure true", "lem measure"),
        ("python -c lem measure", None),
        ("python notes.py lem measure", None),
        ("vim lem experiment", None),
        ("grep lem measure", None),
        ("bash -c lem\\ experiment", None),
        ("", None),
    ],
)
def test_a_command_line_that_measures(command: str, what: str | None) -> None:
    found = _describe(command.split())
    assert (found or "").startswith(what or "")
    assert (found is None) == (what is None)
