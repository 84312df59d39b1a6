"""The report: Markdown for people, CSV for whoever wants to look again."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TITLES = {
    "updates": "How often the registers change",
    "ladder": "Idle power by level",
    "readers": "Several readers, one window",
    "phases": "Does the counter see everything?",
    "duties": "Power over the share of time at work",
    "doubled": "Double the work",
    "foreign": "Somebody else joins",
}


def render(head: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole report; ``found`` holds each experiment's outcome as plain data."""
    lines = [head, "", "| experiment | verdict | |", "|---|---|---|"]
    for name, outcome in found.items():
        verdict = outcome["verdict"]
        lines.append(f"| {TITLES[name]} | **{verdict['outcome']}** | {verdict['words']} |")
    for name, outcome in found.items():
        lines += ["", f"### {TITLES[name]}", ""]
        lines += table(outcome["rows"]) if outcome["rows"] else [outcome["verdict"]["words"]]
        lines += [line for note in outcome["notes"] for line in ("", note)]
    return "\n".join(lines)


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows with the same keys as a Markdown table."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
    return lines + ["| " + " | ".join(_cell(row.get(key)) for key in keys) + " |" for row in rows]


def write_raw(folder: Path, name: str, outcome: Mapping[str, Any]) -> None:
    """The samples of an experiment, or its rows, as CSV."""
    rows = outcome["samples"] or outcome["rows"]
    if not rows:
        return
    folder.mkdir(parents=True, exist_ok=True)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, keys)
        writer.writeheader()
        writer.writerows(rows)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
