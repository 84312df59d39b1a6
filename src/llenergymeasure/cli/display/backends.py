"""Backends and what was found out about them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import color, say
from llenergymeasure.cli.display.text.numbers import MISSING
from llenergymeasure.orchestration.machine.backends import BackendCheck, BackendEntry
from llenergymeasure.security import printable


def show_backends(entries: Sequence[BackendEntry], options: GlobalOptions) -> None:
    """Print a table of the backends, then what each energy source gives here, or why not."""
    if options.json:
        write_json(
            {kind: [e for e in entries if e.kind == kind] for kind in ("inference", "energy")}
        )
        return
    from llenergymeasure.cli.display.text.console import console
    from llenergymeasure.cli.display.text.tables import Column, print_table
    from llenergymeasure.config.introspection import auto_energy_names

    columns = [
        Column("name"),
        Column("kind", keep=8),
        Column("state", keep=9),
        Column("from", keep=3),
        Column("engine", keep=4, wraps=True),
        Column("what it is", keep=5, wraps=True, least=36),
    ]
    print_table(console(), columns, [_cells(entry) for entry in entries])
    for entry in entries:
        words = entry.reason or entry.here
        if words is not None:
            hint = f"; {entry.hint}" if entry.hint else ""
            say(f"{entry.name} ({entry.state}): {words}{hint}", options)
    automatic = {entry.name: entry for entry in entries if entry.automatic}
    if automatic:
        names = [name for name in auto_energy_names() if name in automatic]
        works = ", ".join(name for name in names if automatic[name].state == "ok") or "none"
        order = f"energy.backend: auto takes for each domain the first of {', '.join(names)}"
        say(f"{order} that has it; of these work here: {works}", options)


def _cells(entry: BackendEntry) -> list[str]:
    engine = ", ".join(f"{name} {number or MISSING}" for name, number in entry.engine.items())
    origin = f"{entry.distribution} {entry.version or ''}".rstrip()
    return [entry.name, entry.kind, entry.state, origin, engine or MISSING, entry.description]


def show_checks(name: str, checks: Sequence[BackendCheck], options: GlobalOptions) -> None:
    """Print each check and whether the backend passed it."""
    failed = [check for check in checks if not check.passed]
    if options.json:
        write_json({"backend": name, "passed": not failed, "checks": checks})
        return
    for check in checks:
        if options.quiet and check.passed:
            continue
        word = (
            click.style("passed", fg="green") if check.passed else click.style("FAILED", fg="red")
        )
        detail = f": {printable(check.detail)}" if check.detail else ""
        click.echo(f"{word}  {check.kind}  {check.name}{detail}", color=color())
    if not options.quiet:
        say(f"{name}: {len(checks) - len(failed)} of {len(checks)} checks passed", options)
