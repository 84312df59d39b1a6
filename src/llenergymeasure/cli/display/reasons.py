"""Reason codes, explained."""

from __future__ import annotations

from typing import Any

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.lines import wrap_line
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.domain.reason_texts import EFFECTS, REASON_TEXTS
from llenergymeasure.domain.validity import ReasonCode, severity


def show_reasons(options: GlobalOptions) -> None:
    """List every code with its effect and what happened."""
    if options.json:
        write_json({code: _data(code) for code in REASON_TEXTS})
        return
    from llenergymeasure.cli.display.text.console import console
    from llenergymeasure.cli.display.text.tables import KEPT, Column, print_table

    columns = [
        Column("code"),
        Column("effect", keep=8),
        Column("what happened", keep=KEPT, wraps=True, least=40),
        Column("how often", keep=2),
    ]
    rows = [
        [code, severity(code), text.title, text.frequency] for code, text in REASON_TEXTS.items()
    ]
    print_table(console(), columns, rows)
    say("one of them in full: lem explain CODE", options)


def show_reason(code: ReasonCode, options: GlobalOptions) -> None:
    """Tell all that there is to know of one code."""
    if options.json:
        write_json(_data(code))
        return
    from llenergymeasure.cli.display.text.console import console, prose_width

    to = console()
    width = prose_width(to)
    text = REASON_TEXTS[code]
    to.print(f"{code}: {text.title}", style="bold", soft_wrap=True)
    effect = severity(code)
    to.print(f"{effect}: {EFFECTS[effect]}", soft_wrap=True)
    for heading, paragraphs in text.sections():
        to.print(f"\n{heading}", style="bold", soft_wrap=True)
        mark = "  - " if len(paragraphs) > 1 else "  "
        for paragraph in paragraphs:
            prose, *commands = paragraph.split("\n")
            for line in wrap_line(mark + prose, width, hang=len(mark)):
                to.print(line, soft_wrap=True)
            for command in commands:
                to.print(f"{' ' * len(mark)}  {command}", soft_wrap=True)


def _data(code: ReasonCode) -> dict[str, Any]:
    return {"code": code, "effect": severity(code), **vars(REASON_TEXTS[code])}
