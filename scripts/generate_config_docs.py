"""Write what is derived from the parameters: docs/reference/config.md and the example configs.

python scripts/generate_config_docs.py           # write
python scripts/generate_config_docs.py --check   # exit 1 if a file is stale
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from llenergymeasure.config.introspection import (
    Parameter,
    get_backend_params,
    get_energy_params,
    get_universal_params,
    json_schema,
)
from llenergymeasure.config.presets import PRESETS
from llenergymeasure.config.registry import inference_backend

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("pytorch", "echo")
ENERGY_BACKENDS = ("codecarbon", "replay")


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
        ROOT / "configs" / "schema.json": json.dumps(json_schema(), indent=2) + "\n",
    }


def read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def reference() -> str:
    lines = [
        "# Configuration reference",
        "",
        "Made by `scripts/generate_config_docs.py`; do not edit. How configs are put together:",
        "[configuration.md](../configuration.md).",
        "",
        "## Universal keys",
        "",
        "Every engine understands these.",
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


def table(parameters: list[Parameter]) -> list[str]:
    head = ["| key | type | default | allowed | unit | |", "|---|---|---|---|---|---|"]
    return head + [
        f"| `{p.key}` | {p.type} | {default_words(p)} | {allowed(p)} | {p.unit or ''} | {p.help} |"
        for p in parameters
    ]


def default_words(parameter: Parameter) -> str:
    return "**required**" if parameter.required else f"`{json.dumps(parameter.default)}`"


def allowed(parameter: Parameter) -> str:
    words = ", ".join(f"`{choice}`" for choice in parameter.choices) or parameter.bounds
    if parameter.optional and not parameter.required:
        words = f"{words}; or `null`" if words else "or `null`"
    return words


def example() -> str:
    lines = [
        "# Every key of a PyTorch experiment with its default. Made by",
        "# scripts/generate_config_docs.py; copy it, keep what you change.",
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
