"""Write what is derived from the code: docs/reference/, docs/reasons/, example config, schema.

python scripts/generate_docs.py           # write
python scripts/generate_docs.py --check   # exit 1 if a file is stale
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from llenergymeasure.cli.root import lem
from llenergymeasure.config.introspection import (
    Parameter,
    get_backend_params,
    get_energy_params,
    get_universal_params,
    json_schema,
)
from llenergymeasure.config.old_keys.renamed import ALIASES
from llenergymeasure.config.presets import PRESETS
from llenergymeasure.config.problems.not_offered import why_not_offered
from llenergymeasure.config.problems.report import join_dotted
from llenergymeasure.config.registry import inference_backend
from llenergymeasure.domain.reason_texts import EFFECTS, REASON_TEXTS
from llenergymeasure.domain.validity import ReasonCode, severity

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("pytorch", "echo")
ENERGY_BACKENDS = ("nvml", "rapl", "estimate", "codecarbon", "zeus", "amdsmi", "replay")
REASONS = ROOT / "docs" / "reasons"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if stale")
    check = parser.parse_args().check
    stale = [path for path, text in generated().items() if read(path) != text]
    for path in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generated()[path], encoding="utf-8")
        print(("stale: " if check else "written: ") + str(path.relative_to(ROOT)))
    return 1 if check and stale else 0


def generated() -> dict[Path, str]:
    """Every derived file and what should stand in it."""
    return {
        ROOT / "docs" / "reference" / "config.md": reference(),
        ROOT / "configs" / "examples" / "pytorch_example.yaml": example(),
        ROOT / "docs" / "reference" / "compatibility.md": compatibility(),
        ROOT / "docs" / "reference" / "cli.md": cli_reference(),
        REASONS / "index.md": reasons_index(),
        **{REASONS / f"{code}.md": reason_page(code) for code in REASON_TEXTS},
        ROOT / "configs" / "schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }


def read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def reference() -> str:
    lines = [
        "# Configuration reference",
        "",
        "Made by `scripts/generate_docs.py`; do not edit. How configs are put together:",
        "[configuration.md](../configuration.md).",
        "",
        "## Universal keys",
        "",
        "Every engine understands these. Beside them a file may hold `preset`, `_extends` and",
        "`schema_version`: see [configuration.md](../configuration.md).",
        "",
        *table(get_universal_params()),
    ]
    for name in BACKENDS:
        lines += ["", f"## Backend `{name}`", "", inference_backend(name).description, ""]
        lines += table(get_backend_params(name))
    for name in ENERGY_BACKENDS:
        lines += ["", f"## Energy backend `{name}`", "", *table(get_energy_params(name))]
    lines += ["", "## Presets", "", "| preset | for | values |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {purpose} | `{json.dumps(values)}` |"
        for name, (purpose, values) in PRESETS.items()
    ]
    return "\n".join(lines) + "\n"


def described_keys() -> list[str]:
    """The config keys of lem 3.x, one a line."""
    text = (ROOT / "tests" / "fixtures" / "described_keys.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def fate_of(key: str) -> tuple[str, str]:
    """What becomes of an old key: accepted, renamed or refused, and the rest of the story."""
    offered = [*get_universal_params(), *get_backend_params("pytorch")]
    keys = {p.key for p in offered}
    renamed = {join_dotted(old): join_dotted(new) for old, new in ALIASES.items()}
    renamed |= {"dataset": "prompts", "dataset.name": "prompts.dataset"}
    also = {"dataset": ", with `type: huggingface`"}
    renamed |= {f"dataset.{name}": f"prompts.{name}" for name in ("sample_size", "split", "column")}
    if key == "schema_version":
        return "accepted", "Checked; a version that is not known gives a warning."
    top = key.split(".")[0]
    if key in keys or any(name.startswith(f"{key}.") for name in keys):
        help_text = next((p.help for p in offered if p.key == key), "A section.")
        return "accepted", help_text
    if key in renamed or top in renamed:
        return "renamed", f"now `{renamed.get(key) or renamed[top]}`{also.get(key, '')}"
    reason = why_not_offered(key)
    if reason is not None:
        return "refused", reason
    return "unknown", "nothing is said of it"


def compatibility() -> str:
    lines = [
        "# Configs of lem 3.x",
        "",
        "Made by `scripts/generate_docs.py`; do not edit. Every key that such a config can",
        "hold: `accepted` has its effect here, `renamed` works under its old name and says its new",
        "one, `refused` is an error that gives the reason. Nothing is accepted and ignored.",
        "",
        "| key | in lem now | details |",
        "|---|---|---|",
    ]
    lines += [f"| `{key}` | {fate_of(key)[0]} | {fate_of(key)[1]} |" for key in described_keys()]
    return "\n".join(lines) + "\n"


def cli_reference() -> str:
    lines = [
        "# Command reference",
        "",
        "Made by `scripts/generate_docs.py`; do not edit. Exit codes: 0 done, 1 the run failed",
        "(also: the hub or the engine cannot be reached), 2 the input is wrong, 130 interrupted;",
        "`lem measure` ends with that of its program, or with one of its own.",
    ]
    for path, command in commands(lem, ("lem",)):
        context = click.Context(command, info_name=" ".join(path), max_content_width=90)
        context.terminal_width = 90
        text = command.get_help(context)
        lines += ["", f"## `{' '.join(path)}`", "", "```text", text, "```"]
    return "\n".join(lines) + "\n"


def commands(group: click.Command, path: tuple[str, ...]) -> Iterator[Any]:
    """The group, and every command in it, with the words that call it."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, (*path, name))


def reasons_index() -> str:
    lines = [
        "# Reason codes",
        "",
        "Made by `scripts/generate_docs.py`; do not edit. `lem explain CODE` shows a page at the",
        "terminal.",
        "",
        "`validity.reasons` of a result and `findings` of a domain hold these codes; they are",
        "stable, so that scripts may match them. The worst of them decides the status: a note",
        "leaves a result `valid`. A domain with an invalid code has no number; there is no total",
        "then, and `partial_j` holds the sum of the others, where there is one. An invalid code of",
        "the whole run may stand beside numbers: they are not to be used.",
        "",
        "The text after a code says what was seen in this run: it is `detail` in the JSON.",
        "",
        "| code | effect | what happened | how often, where |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| [`{code}`]({code}.md) | {severity(code)} | {text.title} "
        f"| {text.frequency}: {text.where} |"
        for code, text in REASON_TEXTS.items()
    ]
    lines += ["", "```{toctree}", ":hidden:", "", *REASON_TEXTS, "```"]
    return "\n".join(lines) + "\n"


def reason_page(code: ReasonCode) -> str:
    text = REASON_TEXTS[code]
    lines = [f"# `{code}`: {text.title}", "", _effect(code)]
    for heading, paragraphs in text.sections():
        lines += ["", f"## {heading}"]
        for number, paragraph in enumerate(paragraphs, 1):
            mark = f"{number}. " if len(paragraphs) > 1 else ""
            prose, *commands = paragraph.split("\n")
            lines += ["", *fill(mark + prose, 98, subsequent_indent=" " * len(mark))]
            if commands:
                block = ["```", *commands, "```"]
                lines += ["", *(" " * len(mark) + line for line in block)]
    return "\n".join(lines) + "\n"


def _effect(code: ReasonCode) -> str:
    effect = severity(code)
    return f"**{effect.capitalize()}**: {EFFECTS[effect]}."


def fill(text: str, width: int, subsequent_indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        subsequent_indent=subsequent_indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(parameters: list[Parameter]) -> list[str]:
    head = ["| key | what it is | values | default |", "|---|---|---|---|"]
    return head + [
        f"| `{p.key}` | {p.help} | {values(p)} | {default_words(p)} |" for p in parameters
    ]


def default_words(parameter: Parameter) -> str:
    return "**required**" if parameter.required else f"`{json.dumps(parameter.default)}`"


def values(parameter: Parameter) -> str:
    """The kind of value, its unit and its limits; or what there is to choose from."""
    if parameter.choices:
        words = ", ".join(f"`{choice}`" for choice in parameter.choices)
    else:
        unit = f" ({parameter.unit})" if parameter.unit else ""
        words = ", ".join(part for part in (parameter.type + unit, parameter.bounds) if part)
    if parameter.optional and not parameter.required:
        words += ", or `null`"
    return words


def example() -> str:
    lines = [
        "# Every key of a PyTorch experiment with its default. Made by",
        "# scripts/generate_docs.py; copy it, keep what you change.",
        "# yaml-language-server: $schema=../schema.json",
        "",
    ]
    given = {"config_name": "pytorch-example", "model_name": "builtin:tiny-llama"}
    open_sections: tuple[str, ...] = ()
    for p in [*get_universal_params(), *get_backend_params("pytorch")]:
        *sections, name = p.key.split(".")
        for depth, section in enumerate(sections):
            if open_sections[: depth + 1] != (*sections[: depth + 1],):
                lines.append(f"{'  ' * depth}{section}:")
        open_sections = tuple(sections)
        value = given.get(p.key, p.default)
        notes = " ".join(part for part in (p.help, ", ".join(p.choices) or p.bounds) if part)
        lines.append(f"{'  ' * len(sections)}{name}: {yaml_value(value)}  # {notes}")
    return "\n".join(lines) + "\n"


def yaml_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
