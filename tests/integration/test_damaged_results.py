"""Whatever is damaged or deleted of results and states, every command tells the truth of it."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import ONE, call

WHOLE = "aggregated"


class Place(NamedTuple):
    """Two experiments of two cycles; the files of the first are damaged."""

    results: Path
    state: Path
    hurt: str
    fine: str

    @property
    def aggregate(self) -> Path:
        return self.results / "aggregated" / f"{self.hurt}.json"

    @property
    def raw(self) -> Path:
        return self.results / "raw" / self.hurt

    @property
    def cycle(self) -> Path:
        return self.raw / "cycle_2"

    @property
    def state_file(self) -> Path:
        return self.state / f"{self.hurt}.json"


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def empty(path: Path) -> None:
    path.write_text("")


def tear(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def nest(path: Path) -> None:
    path.write_text("[" * 100_000)


def age(path: Path) -> None:
    """Make it a file of a later version."""
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 99', 1))


def shut(path: Path) -> None:
    """Make it unreadable for everybody, root included."""
    remove(path)
    path.mkdir()


def pipe(path: Path) -> None:
    """Make it what a reader would wait for ever at."""
    remove(path)
    os.mkfifo(path)


def spoil(path: Path) -> None:
    path.write_text(path.read_text().replace('"schema_version": 1', '"surprise": 1', 1))


HOW = {
    "removed": remove,
    "empty": empty,
    "torn": tear,
    "nested": nest,
    "later": age,
    "shut": shut,
    "pipe": pipe,
    "spoiled": spoil,
}


class Case(NamedTuple):
    """What is hurt, and the truth afterwards.

    ``cycles`` are those whose samples and rows can still be had.
    """

    file: Callable[[Place], Path]
    how: str
    status: str
    cycles: tuple[int, ...] = (1, 2)
    named: str = ""


def aggregate(how: str, status: str = "unreadable") -> Case:
    return Case(lambda p: p.aggregate, how, status, named="HURT.json" if status != WHOLE else "")


def of_cycle(name: str, how: str) -> Case:
    return Case(lambda p: p.cycle / name, how, WHOLE, (1,), "cycle_2")


def state(how: str) -> Case:
    return Case(lambda p: p.state_file, how, WHOLE)


CASES = {
    **{f"aggregate-{how}": aggregate(how) for how in HOW if how != "removed"},
    "aggregate-removed": Case(lambda p: p.aggregate, "removed", "completed"),
    "aggregates-removed": Case(lambda p: p.aggregate.parent, "removed", "completed"),
    **{f"result-{how}": of_cycle("process_0.json", how) for how in HOW},
    **{f"marker-{how}": of_cycle(".completed_0", how) for how in HOW},
    **{
        f"requests-{how}": of_cycle("requests_0.parquet", how)
        for how in ("removed", "torn", "pipe")
    },
    "cycle-removed": Case(lambda p: p.cycle, "removed", WHOLE, (1,), "cycle 2"),
    "raw-removed": Case(lambda p: p.raw, "removed", WHOLE, (), "HURT"),
    **{f"state-{how}": state(how) for how in HOW},
    "states-removed": Case(lambda p: p.state, "removed", WHOLE),
    "context-removed": Case(lambda p: p.raw / "context_1.json", "removed", WHOLE, named="context"),
}
# Without an aggregate too, it is the raw files that decide.
BOTH = {
    "result-removed": "incomplete",
    "result-torn": "incomplete",
    "result-shut": "incomplete",
    "result-pipe": "incomplete",
    "marker-later": "incomplete",
    "requests-torn": "incomplete",
    "cycle-removed": "incomplete",
    "context-removed": "incomplete",
    "raw-removed": "gone",
    "state-removed": "completed",
    "states-removed": "completed",
    "state-torn": "completed",
    "state-later": "completed",
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two experiments, measured once."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LLM_ENERGY_RESULTS_DIR", str(folder / "results"))
        patch.setenv("LLM_ENERGY_STATE_DIR", str(folder / ".state"))
        told = [call("--json", "experiment", *ONE, "--cycles", "2") for _ in range(2)]
    return folder, [json.loads(out)["experiment_id"] for _, out, _ in told]


@pytest.fixture
def place(two: tuple[Path, list[str]], tmp_path: Path) -> Place:
    """A copy of them, which belongs to one test."""
    folder, (hurt, fine) = two
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for file in (tmp_path / ".state").glob("*.json"):
        file.write_text(file.read_text().replace(str(folder), str(tmp_path)))
    return Place(tmp_path / "results", tmp_path / ".state", hurt, fine)


def tell(*args: str) -> tuple[int, str, str]:
    """A call that may end in any code, but never in a traceback."""
    code, out, err = call(*args)
    assert code in (0, 1, 2), err
    assert "Traceback" not in err and "bug in lem" not in err
    return code, out, err


def listed(place: Place) -> dict[str, dict[str, object]]:
    code, out, _ = tell("--json", "results", "list", "--all")
    assert code == 0
    return {entry["experiment_id"]: entry for entry in json.loads(out)}


def ids(table: str) -> list[str]:
    return [row["experiment_id"] for row in csv.DictReader(table.splitlines())]


@pytest.mark.parametrize("name", CASES)
def test_every_command_tells_the_truth_of_a_damaged_file(place: Place, name: str) -> None:
    case = CASES[name]
    HOW[case.how](case.file(place))
    finished = [i for i in (place.hurt, place.fine) if i == place.fine or case.status == WHOLE]
    if name == "aggregates-removed":
        finished = []
    named = case.named.replace("HURT", place.hurt)
    entry = listed(place)[place.hurt]
    assert entry["status"] == case.status
    if case.status != WHOLE and case.status != "completed":
        assert named in str(entry["reason"])
    _, out, _ = tell("--json", "results", "list")
    assert [entry["experiment_id"] for entry in json.loads(out)] == finished

    code, out, err = tell("results", "export")
    assert ids(out) == finished
    assert code == (1 if case.status == "unreadable" else 0)
    assert (place.hurt in err) == (place.hurt not in finished)
    code, out, err = tell("results", "export", place.hurt)
    assert (code, ids(out)) == ((0, [place.hurt]) if place.hurt in finished else (1, []))

    code, out, err = tell("results", "export", "--raw")
    assert ids(out).count(place.fine) == 2
    assert ids(out).count(place.hurt) == len(case.cycles)
    by_raw = len(case.cycles) < 2
    assert (code, place.hurt in err) == ((1, True) if by_raw else (0, False))
    assert not by_raw or named in err

    code, out, err = tell("--json", "results", "show", place.hurt)
    assert (code == 0) == (case.status in (WHOLE, "completed"))
    assert code == 0 or named in err
    code, out, err = tell("--json", "results", "timeseries", place.hurt)
    if case.cycles:
        cycles = {series["cycle"] for series in json.loads(out)["series"]}
        assert (code, cycles) == (0, set(case.cycles))
        assert not by_raw or named in err
    else:
        assert code == 1 and named in err


@pytest.mark.parametrize("name", CASES)
def test_what_can_be_aggregated_again_is(place: Place, name: str) -> None:
    case = CASES[name]
    HOW[case.how](case.file(place))
    code, out, err = tell("--json", "aggregate")
    is_left_alone = name in ("aggregate-later", "aggregate-shut", "aggregate-pipe")
    done = [] if case.status == WHOLE or is_left_alone else [place.hurt]
    done += [place.fine] if name == "aggregates-removed" else []
    assert json.loads(out)["aggregated"] == sorted(done)
    assert code == (1 if is_left_alone else 0), err
    if is_left_alone:
        assert place.aggregate.name in err
    else:
        assert listed(place)[place.hurt]["status"] == WHOLE


@pytest.mark.parametrize("name", BOTH)
def test_a_lost_aggregate_leaves_what_the_raw_files_say(place: Place, name: str) -> None:
    case, status = CASES[name], BOTH[name]
    remove(place.aggregate)
    HOW[case.how](case.file(place))
    named = case.named.replace("HURT", place.hurt)
    entry = listed(place)[place.hurt]
    assert entry["status"] == status
    assert named in str(entry["reason"])
    code, out, err = tell("results", "export")
    assert (code, ids(out)) == (0 if status == "completed" else 1, [place.fine])
    assert place.hurt in err and named in err
    code, out, err = tell("results", "show", place.hurt)
    assert (code, named in out + err) == (0 if status == "completed" else 1, True)
    for args in (("aggregate",), ("aggregate", place.hurt)):
        code, out, err = tell(*args)
        if status == "completed":
            assert code == (0 if args == ("aggregate",) else 2), err
        else:
            assert code == 1 and named in err


@pytest.mark.parametrize("how", HOW)
def test_samples_that_are_lost_are_named_and_cost_no_row(place: Place, how: str) -> None:
    file = place.cycle / "timeseries_0.parquet"
    if how in ("later", "spoiled"):  # no text
        how = "torn"
    HOW[how](file)
    code, _, err = tell("results", "timeseries", place.hurt)
    assert code != 0 and str(file) in err
    assert tell("results", "timeseries", place.hurt, "--cycle", "1")[0] == 0
    code, out, err = tell("results", "export", "--raw")
    assert (code, ids(out).count(place.hurt), err) == (0, 2, "")


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_the_cycles_of_an_unfinished_one_are_exported_raw_and_the_rest_is_named(
    place: Place, status: str
) -> None:
    remove(place.aggregate)
    remove(place.cycle)
    written = json.loads(place.state_file.read_text())
    place.state_file.write_text(json.dumps({**written, "status": status, "reason": "it rained"}))
    told = "interrupted" if status == "running" else status  # nothing of it is alive
    code, out, err = tell("results", "export", "--raw")
    assert (code, ids(out)) == (0, [place.hurt, place.fine, place.fine])
    assert f"{place.hurt} is {told} with 1 of 2 cycles" in err and "--resume" in err
    code, out, err = tell("results", "export")
    assert (code, ids(out)) == (0, [place.fine])
    assert f"{place.hurt} is {told} with 1 of 2 cycles" in err
    # Whoever names it misses something.
    assert tell("results", "export", "--raw", place.hurt)[0] == 1


def test_folders_that_are_gone_are_told(place: Place) -> None:
    remove(place.results)
    assert {entry["status"] for entry in listed(place).values()} == {"gone"}
    for args in (("results", "export"), ("results", "show", place.hurt), ("aggregate",)):
        code, _, err = tell(*args)
        assert code == 1 and place.hurt in err and "not there any more" in err


def lose_all(place: Place) -> list[str]:
    remove(place.results)
    return [place.hurt, place.fine]


def lose_one(place: Place) -> list[str]:
    remove(place.aggregate)
    remove(place.raw)
    return [place.hurt]


def lose_interrupted(place: Place) -> list[str]:
    written = json.loads(place.state_file.read_text())
    place.state_file.write_text(json.dumps({**written, "status": "interrupted"}))
    return lose_one(place)


def lose_and_damage(place: Place) -> list[str]:
    tear(place.state_file)
    return lose_one(place)


def lose_and_age(place: Place) -> list[str]:
    age(place.state_file)
    lose_one(place)
    return []


def lose_aggregate(place: Place) -> list[str]:
    remove(place.aggregate)
    return []


def lose_raw(place: Place) -> list[str]:
    remove(place.raw)
    return []


def lose_nothing(place: Place) -> list[str]:
    return []


LOSSES = [
    lose_all,
    lose_one,
    lose_interrupted,
    lose_and_damage,
    lose_and_age,
    lose_aggregate,
    lose_raw,
    lose_nothing,
]


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_entries_of_which_nothing_is_left_can_be_removed(
    place: Place, lose: Callable[[Place], list[str]]
) -> None:
    lost = sorted(lose(place))
    before = sorted(file.name for file in place.state.glob("*.json"))
    code, out, _ = tell("--json", "results", "prune", "--dry-run")
    assert (code, json.loads(out)) == (0, {"would_remove": lost})
    # Nobody is at a terminal here.
    code, out, err = tell("results", "prune")
    assert code == (2 if lost else 0)
    assert ("--yes" in err) == bool(lost)
    assert all(i in out for i in lost)
    assert sorted(file.name for file in place.state.glob("*.json")) == before
    code, out, _ = tell("--json", "results", "prune", "--yes")
    assert (code, json.loads(out)) == (0, {"removed": lost})
    kept = {place.hurt, place.fine} - set(lost)
    assert set(listed(place)) == kept
    assert {file.name.split(".")[-2] for file in place.state.glob("*.json")} == kept
    assert not [file for file in place.state.iterdir() if any(i in file.name for i in lost)]


@pytest.mark.parametrize("name", ["raw", "aggregated"])
def test_a_file_where_a_folder_should_be_is_named(place: Place, name: str) -> None:
    remove(place.results / name)
    empty(place.results / name)
    for args in (
        ("results", "list", "--all"),
        ("results", "export"),
        ("results", "show", place.hurt),
        ("results", "timeseries", place.hurt),
        ("aggregate",),
    ):
        code, _, err = tell(*args)
        assert code != 0 and str(place.results / name) in err
