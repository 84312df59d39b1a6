"""Whatever stands on the command line: an answer or a short refusal, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
from functools import cache
from pathlib import Path

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llenergymeasure.orchestration.machine.backends import list_backends
from llenergymeasure.orchestration.machine.gpus import look_at_gpus

from .conftest import call
from .test_every_command import CALLS, find_command

# Files are made under such names, so none of them leads out of the folder of the test.
TEXTS = [
    "",
    " ",
    "x" * 300,
    "x" * 5000,
    "a\0b",
    "a\nb",
    "\t",
    "\x1b[2J",
    "\udcff",
    "\u202eab",
    "🦙",
]
NUMBERS = ["-1", "0", "-0", "1e400", "-inf", "nan", "9" * 400, "0x10", "1_0", "1.5", "\u0663"]
PLACES = [
    "folder",
    "folder/",
    "missing",
    "missing/deep.csv",
    "loop",
    "loop/x",
    "shut",
    "shut/x.csv",
]
PLACES += ["dangling", "tiny.json/x", "/dev/null", "/dev/full", "empty", "bytes", "a/b\0.csv", "~"]
PLACES += ["folder/x.csv", "x.CSV", "x.json", ".", "..", "~nobody-of-that-name/x.csv"]
MARKS = ["-", "--", "---", "-x", "=", "=x", "a=", "seed=", "seed=1,,2", "seed=[", "[", "*", "{}"]
MARKS += ["null", "none", "auto", "auto,auto", ",", "${HOME}", "!!python/object:os.system", "a.b=c"]
ODD = [*TEXTS, *NUMBERS, *PLACES, *MARKS]
# An odd text of its own never names a path elsewhere, nor a command that is there.
drawn = st.text(max_size=8).filter(lambda text: not set(text) & set("/.~"))
odd = st.sampled_from(ODD) | drawn
LONGEST_LINE = 1400


def options_of(name: str) -> list[click.Parameter]:
    return [p for p in find_command(name).params if p.name not in ("version", "help")]


@st.composite
def lines(draw: st.DrawFn, name: str) -> list[str]:
    """Words after the command's: some of its options with odd values, and odd arguments."""
    words: list[list[str]] = [[text] for text in draw(st.lists(odd, max_size=2))]
    for one in draw(st.lists(st.sampled_from(options_of(name)), max_size=3)):
        if isinstance(one, click.Argument):
            continue
        flag = draw(st.sampled_from(one.opts))
        plain = one.is_flag or one.count
        words.append([flag] if plain else [flag, draw(odd)])
    usual = draw(st.sampled_from([[], *CALLS[name]]))
    mixed = [word for group in draw(st.permutations(words)) for word in group]
    return [*mixed, *usual] if draw(st.booleans()) else [*usual, *mixed]


@pytest.fixture
def odd_place(measured_place: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and folders that are not what one expects."""
    for name in ("tiny.json", "other.json"):
        shutil.copy(name, tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "shut").mkdir(mode=0)
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(os.urandom(64))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    # The machine is looked at once, not for every line.
    for look in (look_at_gpus, list_backends):
        monkeypatch.setattr(look.__module__ + "." + look.__name__, cache(look))


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=150, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_odd_arguments_end_in_an_answer_or_in_a_few_lines(
    name: str, odd_place: None, data: st.DataObject
) -> None:
    words = data.draw(lines(name))
    check_answer(name, words, as_json=data.draw(st.booleans()))


@pytest.mark.parametrize(
    "words",
    [
        ["-p", "~nobody-of-that-name/x.csv"],
        ["-m", "~nobody-of-that-name/x"],
        ["--set", "prompts=~nobody-of-that-name/x"],
        ["--set", "energy={backend: replay, replay: {path: ~nobody-of-that-name/x.csv}}"],
        ["--results-dir", "~nobody-of-that-name/x"],
    ],
)
def test_a_home_of_nobody_is_a_path_that_is_not_there(odd_place: None, words: list[str]) -> None:
    check_answer("experiment", [*CALLS["experiment"][0], *words], as_json=False)


def check_answer(name: str, words: list[str], *, as_json: bool) -> None:
    before = [*(["--json"] if as_json else []), *name.split()]
    if name == "experiment" and "--resume" not in words:
        before.append("--dry-run")
    code, out, err = call(*before, *words)
    if name != "measure":  # there it may be the command's own
        assert code in {0, 1, 2}, ascii(err)
    assert "Traceback" not in err
    assert "bug in lem" not in err
    assert "\x1b" not in err
    assert max(map(len, err.splitlines()), default=0) <= LONGEST_LINE
    # A measured command may say nothing ([ does); a grid's broken points are its answer.
    assert err.strip() or out.strip() or not code or name == "measure"
    if as_json and "--help" not in words:
        json.loads(out)
