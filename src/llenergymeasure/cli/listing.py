"""``lem presets``, ``lem datasets``: what there is to choose from."""

from __future__ import annotations

import click

from llenergymeasure.cli.arguments.endings import end_help
from llenergymeasure.cli.arguments.options import current, global_options
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say


@click.command(epilog=end_help("lem presets"))
@global_options
def presets() -> None:
    """List the presets: what each is for and what it sets."""
    from llenergymeasure.config.files.flat import flatten
    from llenergymeasure.config.presets import PRESETS

    options = current()
    if options.json:
        write_json({n: {"for": text, "values": values} for n, (text, values) in PRESETS.items()})
        return
    for name, (purpose, values) in PRESETS.items():
        say(f"{name}: {purpose}", options)
        for key, value in flatten(values).items():
            say(f"    {key}: {value}", options)
    say("use one with: lem config new FILE --preset NAME, or 'preset: NAME' in a file", options)


@click.command(epilog=end_help("lem datasets"))
@global_options
def datasets() -> None:
    """List the datasets that have a short name."""
    from llenergymeasure.core.prompt_sources.known_datasets import KNOWN_DATASETS

    options = current()
    if options.json:
        write_json(dict(KNOWN_DATASETS))
        return
    from llenergymeasure.cli.display.text.console import console
    from llenergymeasure.cli.display.text.tables import KEPT, Column, print_table

    columns = [
        Column("name"),
        Column("hub id", keep=KEPT),
        Column("column", keep=4),
        Column("split", keep=3),
        Column("what it is", keep=5, wraps=True, least=20),
    ]
    rows = [
        [name, known.hub_id, known.column, known.split, known.description]
        for name, known in KNOWN_DATASETS.items()
    ]
    print_table(console(), columns, rows)
    say("use one with: prompts: {type: huggingface, dataset: NAME}", options)
