"""Tables that fit the terminal: columns are left out before a number is cut.

Where even the columns that are always kept do not fit, each row becomes a few lines instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llenergymeasure.cli.display.text.lines import wrap_line
from llenergymeasure.security import printable

_GAP = 2
_INDENT = "  "
KEPT = 10
# Below every other column.
_SAME = KEPT + 1


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        header: With the unit, where there is one.
        numeric: Right-aligned, never wrapped or cut.
        keep: The column with the lowest is left out first when space is short; one with ``KEPT``
            never is, unless it says the same in every row: such columns go before all others.
        wraps: Text that may take several lines.
        least: Columns of the terminal that such text needs, so that its lines can be read.
    """

    header: str
    numeric: bool = False
    keep: int = 9
    wraps: bool = False
    least: int = 16


def print_table(to: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells; says which columns did not fit, or what stands in all of their rows."""
    rows = [[printable(cell) for cell in row] for row in rows]
    columns = _rank(columns, rows)
    shown = fitting(columns, rows, to.width)
    if _width(columns, rows, shown) > to.width:
        shown = [0, *(i for i in shown[1:] if columns[i].keep >= KEPT)]
        _print_stacked(to, columns, rows, shown)
    else:
        _print_columns(to, columns, rows, shown)
    left_out = [i for i in range(len(columns)) if i not in shown]
    same = [f"{columns[i].header} {rows[0][i]}" for i in left_out if _is_same(rows, i)]
    others = [columns[i].header for i in left_out if not _is_same(rows, i)]
    if same:
        _print_aside(to, f"(in every row: {', '.join(same)})")
    if others:
        _print_aside(to, f"(no room for: {', '.join(others)}; --json has all)")


def _print_aside(to: Console, text: str) -> None:
    to.print(Text(text, style="dim"))


def _rank(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[Column]:
    """The columns, those last that say the same in every row and so tell rows apart least."""
    return [
        replace(column, keep=column.keep - _SAME) if at and _is_same(rows, at) else column
        for at, column in enumerate(columns)
    ]


def _is_same(rows: Sequence[Sequence[str]], index: int) -> bool:
    return len(rows) > 1 and len({row[index] for row in rows}) == 1


def _print_columns(
    to: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]
) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for index in shown:
        column = columns[index]
        table.add_column(
            column.header,
            justify="right" if column.numeric else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(row[index]) for index in shown))
    to.print(table)


def _print_stacked(
    to: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]
) -> None:
    """The first cell on a line of its own, the others below it; prose needs no header."""
    first, *others = shown
    for row in rows:
        to.print(Text(row[first], style="bold"), soft_wrap=True)
        for index in others:
            if not row[index]:
                continue
            header = "" if columns[index].wraps else f"{columns[index].header}: "
            for line in wrap_line(header + row[index], to.width - len(_INDENT)):
                to.print(Text(_INDENT + line), soft_wrap=True)


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Indices of the columns that fit into ``width``; the first always stays."""
    shown = list(range(len(columns)))
    while _width(columns, rows, shown) > width:
        spare = [i for i in shown[1:] if columns[i].keep < KEPT]
        if not spare:
            break
        shown.remove(min(spare, key=lambda i: (columns[i].keep, -i)))
    return shown


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]], shown: Sequence[int]) -> int:
    total = 0
    for index in shown:
        natural = max(cell_len(cell) for cell in (columns[index].header, *(r[index] for r in rows)))
        total += (min(natural, columns[index].least) if columns[index].wraps else natural) + _GAP
    return total
