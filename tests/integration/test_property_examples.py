"""Property tests draw the same examples in every `make test`; `--examples N` draws N new ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
PROPERTIES = """
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

DRAWN = Path(__file__).parent


def note(name, value):
    with (DRAWN / name).open("a", encoding="utf-8") as file:
        file.write(f"{value}\\n")


@given(st.integers())
def test_plain(n):
    note("plain", n)


class TestGroup:
    @settings(max_examples=7)
    @given(st.integers())
    def test_with_a_number_of_its_own(self, n):
        note("own", n)


class Machine(RuleBasedStateMachine):
    @initialize(n=st.integers())
    def begin(self, n):
        note("machine", n)

    @rule()
    def step(self):
        pass


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=5, stateful_step_count=2)


def test_of_no_property():
    note("other", 0)
"""


def draw(folder: Path, *arguments: str, ci: bool = False) -> dict[str, list[str]]:
    tests = folder / "tests"
    shutil.rmtree(folder, ignore_errors=True)
    tests.mkdir(parents=True)
    shutil.copy(CONFTEST, tests)
    (tests / "test_properties.py").write_text(PROPERTIES, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n", encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if key != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**env, **({"CI": "true"} if ci else {})},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        file.name: file.read_text(encoding="utf-8").splitlines()
        for file in tests.iterdir()
        if not file.suffix and file.is_file()
    }


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return draw(tmp_path_factory.mktemp("same") / "project")


def test_the_same_examples_are_drawn_every_time_in_ci_or_not(
    same: dict[str, list[str]], tmp_path: Path
) -> None:
    assert set(same) == {"plain", "own", "machine", "other"}
    assert draw(tmp_path / "project", ci=True) == same


def test_more_examples_are_new_and_as_many_as_asked_for_in_every_property_test(
    same: dict[str, list[str]], tmp_path: Path
) -> None:
    drawn = draw(tmp_path / "project", "--examples", "230", "-m", "hypothesis")
    assert set(drawn) == {"plain", "own", "machine"}
    for name, values in drawn.items():
        assert len(values) >= 230, name
        assert values[: len(same[name])] != same[name]
