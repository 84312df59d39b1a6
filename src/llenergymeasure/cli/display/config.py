"""A config on the screen. Light: no rich."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import click

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import color, say, show_warnings
from llenergymeasure.config.models import DecoderConfig
from llenergymeasure.config.resolve import LoadedConfig
from llenergymeasure.security import printable

_INDENT = "  "


def show_valid(file: str, loaded: LoadedConfig, options: GlobalOptions) -> None:
    """Say that a file is fine, and what to know nevertheless."""
    config = loaded.config
    warnings = [asdict(warning) for warning in loaded.warnings]
    if options.json:
        write_json(
            {"valid": True, "file": file, "config_name": config.config_name, "warnings": warnings}
        )
    show_warnings(loaded.warnings, options)
    if not options.quiet:
        say(f"{file}: valid ({config.config_name}: {config.model_name}, {config.backend})", options)


def show_resolved(loaded: LoadedConfig, options: GlobalOptions) -> None:
    """Print the resolved config as YAML, with each origin as a comment."""
    show_warnings(loaded.warnings, options)
    values = loaded.config.model_dump(mode="json")
    found = origins(loaded)
    if options.json:
        write_json({"config": values, "origins": found, "provenance": loaded.provenance})
        return
    lines = [
        (printable(text), origin and printable(origin)) for text, origin in _lines(values, found)
    ]
    width = max((len(text) for text, origin in lines if origin), default=0)
    for text, origin in lines:
        comment = click.style(f"  # {origin}", dim=True) if origin else ""
        click.echo(f"{text:<{width}}{comment}" if origin else text, color=color())


def origins(loaded: LoadedConfig) -> dict[str, str]:
    """Dotted key -> where its value comes from, for every value that is not a default."""
    found = {key: _words(origin) for key, origin in loaded.provenance.items()}
    decoder = loaded.config.decoder
    plain = DecoderConfig()
    for name in DecoderConfig.model_fields:
        key = f"decoder.{name}"
        if key not in found and getattr(decoder, name) != getattr(plain, name):
            found[key] = f"decoder.preset: {decoder.preset}"
    return found


def _words(origin: Mapping[str, str]) -> str:
    source, place = origin["source"], origin["place"]
    names = {"user": "user file", "preset": "preset"}
    return f"{names[source]}, {place}" if source in names else place


def _lines(
    values: Mapping[str, Any], found: Mapping[str, str], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, str | None]]:
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield f"{_INDENT * depth}{name}:", found.get(key)
            yield from _lines(value, found, f"{key}.", depth + 1)
        else:
            # JSON's scalars and lists are YAML's.
            text = json.dumps(value, ensure_ascii=False)
            yield f"{_INDENT * depth}{name}: {text}", _origin(key, found)


def _origin(key: str, found: Mapping[str, str]) -> str | None:
    """The key's own origin, else that of something inside it (an element of a list)."""
    inner = (origin for other, origin in found.items() if other.startswith(f"{key}["))
    return found.get(key) or next(inner, None)
