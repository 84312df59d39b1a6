from __future__ import annotations

import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.cli.display.text.lines import fit_line, wrap_line

COLUMNS = 40


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, COLUMNS, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


def test_a_long_line_breaks_between_words_and_hangs(terminal: TextIO) -> None:
    lines = fit_line("one " * 20, terminal, lead=7).split("\n")
    assert len(lines[0]) <= COLUMNS - 7
    assert all(line.startswith("  one") and len(line) <= COLUMNS for line in lines[1:])
    assert " ".join(lines).split() == ["one"] * 20


def test_text_that_fits_and_its_indents_are_left_alone(terminal: TextIO) -> None:
    text = "found\n    a   table\n  of two"
    assert fit_line(text, terminal) == text


def test_a_path_and_a_command_stay_in_one_piece(terminal: TextIO) -> None:
    path, command = "/a/" + "b" * 50, "lem experiment --resume 20261123-211114-774899-lncd"
    lines = fit_line(f"it lies in {path}, go on with: {command}", terminal).split("\n")
    assert [line.strip() for line in lines] == ["it lies in", f"{path},", "go on with:", command]


def test_without_a_terminal_nothing_is_wrapped() -> None:
    text = "one " * 100
    with open(os.devnull, "w") as stream:
        assert fit_line(text, stream) == text


@given(st.lists(st.text("ab1=±/", min_size=1, max_size=30)), st.integers(1, 60), st.integers(0, 9))
def test_no_word_is_lost_or_torn(words: list[str], width: int, hang: int) -> None:
    assert " ".join(wrap_line(" ".join(words), width, hang)).split() == words
