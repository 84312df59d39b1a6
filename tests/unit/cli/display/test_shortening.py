from __future__ import annotations

import pytest

from llenergymeasure.cli.display.text.shortening import shorten, shorten_all


@pytest.mark.parametrize("text", ["", "short", "a line\nand another", "x" * 240, "word " * 200])
def test_what_is_short_stays(text: str) -> None:
    assert shorten(text) == text


@pytest.mark.parametrize("value", ["x" * 120_000, "word " * 24_000, "é" * 500])
def test_what_is_long_keeps_its_ends_and_says_what_is_left_out(value: str) -> None:
    line = shorten(f"Error: {value} is wrong")
    assert line.startswith(f"Error: {value[:20]}")
    assert line.endswith("is wrong")
    assert "characters)" in line
    assert len(line) < 1250


def test_other_lines_of_a_message_are_not_touched() -> None:
    lines = shorten(f"first\n{'x' * 9000}\nlast").split("\n")
    assert (lines[0], lines[2]) == ("first", "last")


def test_data_are_shortened_wherever_they_hold_text() -> None:
    long = "x" * 9000
    found = shorten_all({"message": long, "problems": [{"found": long, "line": 3}], "hint": None})
    assert found["problems"][0]["line"] == 3
    assert found["hint"] is None
    assert len(str(found)) < 900
