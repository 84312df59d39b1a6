"""Reading a recorded power curve: CSV with the columns ``t_s,power_w``."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from llenergymeasure.core.energy_backends.replay.curves import RecordedCurve
from llenergymeasure.exceptions import EnergyBackendError
from llenergymeasure.security import expand_home

_COLUMNS = ("t_s", "power_w")
_FORM = "a recording is a CSV whose first line is 't_s,power_w', then seconds and watts a line"


def load_recording(path_text: str) -> RecordedCurve:
    """Read a recording; a relative path starts at the working directory.

    Raises:
        EnergyBackendError: It cannot be read, or a line of it is wrong (file and line).
    """
    path = expand_home(path_text).absolute()
    times_s: list[float] = []
    powers_w: list[float] = []
    for line, t_s, power_w in _points(path, _read_text(path)):
        if times_s and t_s <= times_s[-1]:
            raise _refuse_line(path, line, f"t_s {t_s:g} does not come after {times_s[-1]:g}")
        if power_w < 0:
            raise _refuse_line(path, line, f"power_w {power_w:g} is negative")
        times_s.append(t_s)
        powers_w.append(power_w)
    if len(times_s) < 2:
        raise EnergyBackendError(
            f"{path} holds {len(times_s)} points; a curve needs two or more", hint=_FORM
        )
    return RecordedCurve(times_s, powers_w, source=str(path))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise EnergyBackendError(
            f"cannot read the recording {path}: {error.strerror or error}",
            hint="energy.replay.path is relative to the working directory",
        ) from error
    except UnicodeDecodeError as error:
        raise EnergyBackendError(f"{path} is not a text file (UTF-8)", hint=_FORM) from error


def _points(path: Path, text: str) -> Iterator[tuple[int, float, float]]:
    """Line number, t_s and power_w of each line that is not blank."""
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        missing = [column for column in _COLUMNS if column not in header]
        if missing:
            raise _refuse_line(path, 1, f"there is no column {' or '.join(missing)}")
        places = [header.index(column) for column in _COLUMNS]
        for row in reader:
            if any(cell.strip() for cell in row):
                t_s, power_w = (_number(path, reader.line_num, row, place) for place in places)
                yield reader.line_num, t_s, power_w
    except csv.Error as error:
        raise _refuse_line(path, reader.line_num, str(error)) from error


def _number(path: Path, line: int, row: list[str], place: int) -> float:
    if place >= len(row):
        raise _refuse_line(path, line, f"{len(row)} values where {place + 1} or more are needed")
    try:
        value = float(row[place])
    except ValueError as error:
        raise _refuse_line(path, line, f"{row[place]!r} is not a number") from error
    if not math.isfinite(value):
        raise _refuse_line(path, line, f"{row[place]!r} is not a finite number")
    return value


def _refuse_line(path: Path, line: int, what: str) -> EnergyBackendError:
    return EnergyBackendError(f"{path}:{line}: {what}", hint=_FORM)
