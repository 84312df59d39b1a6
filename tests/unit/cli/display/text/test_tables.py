from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llenergymeasure.cli.display.text.lines import wrap_line
from llenergymeasure.cli.display.text.tables import KEPT, Column, fitting, print_table

COLUMNS = [
    Column("id"),
    Column("time s", numeric=True, keep=3),
    Column("energy J", numeric=True, keep=8),
    Column("reason", keep=9, wraps=True),
]
ROW = ["20261123-202507-886497-zjlf", "1,234.5", "98,765", "its process died without a word " * 3]


def printed(width: int) -> str:
    file = io.StringIO()
    print_table(Console(file=file, width=width), COLUMNS, [ROW])
    return file.getvalue()


def test_everything_is_shown_where_there_is_room() -> None:
    text = printed(200)
    assert all(cell.strip() in text for cell in ROW)
    assert "no room" not in text


@given(st.integers(min_value=20, max_value=140))
def test_a_number_is_whole_or_left_out_with_its_column_named(width: int) -> None:
    text = printed(width)
    assert ROW[0] in text
    for column, number in ((COLUMNS[1], ROW[1]), (COLUMNS[2], ROW[2])):
        assert number in text or column.header in " ".join(text.split("no room for:")[1].split())


def test_the_least_important_column_goes_first() -> None:
    assert fitting(COLUMNS, [ROW], 65) == [0, 2, 3]
    assert fitting(COLUMNS, [ROW], 10) == [0]


def test_a_column_that_is_kept_always_is_there() -> None:
    columns = [Column("valid"), Column("file", keep=KEPT), Column("model")]
    assert fitting(columns, [["yes", "f" * 60, "tiny"]], 20) == [0, 1]


@given(st.integers(min_value=24, max_value=140))
def test_no_line_is_wider_than_the_terminal_and_no_text_a_narrow_wall(width: int) -> None:
    columns = [
        Column("code"),
        Column("effect", keep=8),
        Column("what happened", keep=KEPT, wraps=True, least=40),
    ]
    title = "a part of the run is missing, " * 3
    file = io.StringIO()
    print_table(Console(file=file, width=width), columns, [["warmup_not_converged", "note", title]])
    lines = [line.rstrip() for line in file.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    assert file.getvalue().count("missing,") == 3
    prose = [line for line in lines if "part" in line or "missing," in line]
    assert len(prose) <= -(-len(title) // (min(width, 40) - len("missing, ")))


def test_numbers_are_aligned_to_the_right() -> None:
    file = io.StringIO()
    columns = [Column("n"), Column("energy J", numeric=True)]
    print_table(Console(file=file, width=80), columns, [["a", "1"], ["b", "22"]])
    first, second = (line.rstrip() for line in file.getvalue().splitlines()[-2:])
    assert len(first) == len(second)


def test_square_brackets_are_no_markup() -> None:
    file = io.StringIO()
    print_table(Console(file=file, width=80), [Column("reason")], [["[bold]x[/bold] [/]"]])
    assert "[bold]x[/bold] [/]" in file.getvalue()


@given(st.integers(min_value=20, max_value=60))
def test_a_number_keeps_its_unit_when_lines_are_wrapped(width: int) -> None:
    text = "mean 10.71 J (estimated), 95 % interval 10.17 to 11.24, n = 3, 1.5 ± 0.2 s"
    lines = wrap_line(text, width)
    assert " ".join(lines) == text
    assert any("n = 3" in line for line in lines)
    assert any("10.71 J" in line for line in lines)
    assert any("1.5 ± 0.2 s" in line for line in lines)


def test_a_path_is_never_broken() -> None:
    path = "/a-long/path-with-hyphens/and more" + "x" * 80
    assert " ".join(wrap_line(path, 20)) == path
