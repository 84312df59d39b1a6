"""Config files and grids as lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.cli.display.text.numbers import MISSING

if TYPE_CHECKING:
    from llenergymeasure.config.files.catalogue import FoundConfig
    from llenergymeasure.config.files.grid import GridPoint


def show_configs(folder: Path, found: Sequence[FoundConfig], options: GlobalOptions) -> None:
    """One line a file: is it valid, and what does it measure."""
    if options.json:
        write_json(list(found))
        return
    if not found:
        say(f"no experiment configs in {folder}; make one with: lem config new FILE", options)
        return
    from llenergymeasure.cli.display.text.console import console
    from llenergymeasure.cli.display.text.tables import KEPT, Column, print_table

    columns = [
        Column("file"),
        Column("valid", keep=KEPT),
        Column("config", keep=5),
        Column("model", keep=6),
        Column("backend", keep=4),
    ]
    # Where all are valid, an empty column would take room from the others.
    if any(config.problems for config in found):
        columns.append(Column("first problem", keep=8, wraps=True, least=30))
    rows = [
        [
            str(config.path),
            "no" if config.problems else "yes",
            config.config_name or MISSING,
            config.model_name or MISSING,
            config.backend or MISSING,
            config.first_problem or "",
        ][: len(columns)]
        for config in found
    ]
    print_table(console(), columns, rows)


def show_grid(points: Sequence[GridPoint], written: Sequence[Path], options: GlobalOptions) -> None:
    """What a grid came to."""
    broken = [point for point in points if point.error is not None]
    if options.json:
        write_json(
            {
                "points": len(points),
                "written": [str(path) for path in written],
                "invalid": [
                    {"name": point.name, "sets": point.sets, "error": point.error}
                    for point in broken
                ],
            }
        )
        return
    for point in broken:
        for line in (point.error or "").splitlines():
            say(f"not valid: {point.name}: {line}", options)
    if not options.quiet:
        for path in written:
            say(f"written: {path}", options)
        valid = len(points) - len(broken)
        combinations = "1 combination" if len(points) == 1 else f"{len(points)} combinations"
        say(f"{combinations}, {valid} valid, {len(written)} written", options)
