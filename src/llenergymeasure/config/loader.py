"""From a file and overrides to a validated, frozen config whose every value has an origin."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.config.old_keys.prompt_shorthands import canonical_prompts
from llenergymeasure.config.old_keys.renamed import canonical, without_schema_version
from llenergymeasure.config.presets import PRESET_KEY, preset_document
from llenergymeasure.config.problems.report import ConfigWarning, Place, join_dotted
from llenergymeasure.config.resolve import (
    Layer,
    LoadedConfig,
    given_paths,
    known_backend,
    known_energy,
    merge,
    resolve,
)
from llenergymeasure.config.sources.command_line import override_document, parse_sets
from llenergymeasure.config.sources.dotenv import is_taken
from llenergymeasure.config.sources.environment import env_document, raw_paths
from llenergymeasure.config.sources.extends import read_with_parents
from llenergymeasure.config.sources.yaml_file import Document
from llenergymeasure.config.user_config import load_user_config

__all__ = ["LoadedConfig", "from_mapping", "load", "load_config"]


def load_config(path: str | Path) -> ExperimentConfig:
    """Load and validate a config file, with the environment and the user's file around it.

    Raises:
        InvalidConfigError: With every problem found, each with its file, line and key.
    """
    return load(path).config


def load(
    path: str | Path | None,
    overrides: Mapping[str, Any] | None = None,
    *,
    sets: Sequence[str] = (),
    preset: str | None = None,
    env: Mapping[str, str] = os.environ,
) -> LoadedConfig:
    """Load everything that makes up a config, and validate the whole.

    The command line wins over the environment, that over the file (and what it extends), that
    over its preset, that over the user's file, that over the defaults.

    Args:
        path: The config file; None where a preset and overrides say it all.
        overrides: Options of the command line, ``{"a.b": value}``.
        sets: Texts of ``--set``, each ``a.b=value``.
        preset: Preset named on the command line; wins over one named in the file.
        env: The environment.

    Raises:
        InvalidConfigError: With every problem found.
    """
    _, user = load_user_config()
    files = [] if path is None else read_with_parents(Path(path))
    files, chosen = _take_preset(files, preset)
    below = [Layer("user", user)] if user else []
    below += [Layer("preset", chosen)] if chosen else []
    layers = [*below, *(Layer("file", document) for document in files)]
    layers, warnings = _rename_keys(layers)
    given = dict(overrides or {})
    model = _model_of(layers, env, given, sets)
    above: list[Layer] = []
    for name, variables in _split_environment(env).items():
        environment, unknown = env_document(variables, model)
        warnings += unknown
        if environment.data:
            above.append(Layer(name, environment))
    if "prompts.type" in given:
        # Another source of prompts replaces the section; keys of the old one would not fit it.
        layers = [Layer(layer.name, _without(layer.document, "prompts")) for layer in layers]
    given.update(parse_sets(sets, model))
    if given:
        above.append(Layer("cli", override_document(given)))
    above, renamed = _rename_keys(above)
    layers += above
    warnings += renamed
    source = Place("command line") if path is None else Place(str(path))
    base_dir = _base_dir(layers, path)
    return resolve(layers, base_dir=base_dir, source=source, warnings=warnings)


def from_mapping(data: Mapping[str, Any]) -> LoadedConfig:
    """Validate a config given as a Python mapping; neither environment nor files are looked at.

    Raises:
        InvalidConfigError: With every problem found.
    """
    places = {path: Place("config") for path in given_paths(data)}
    layers, warnings = _rename_keys([Layer("python", Document("config", dict(data), places))])
    return resolve(layers, base_dir=None, source=Place("config"), warnings=warnings)


def _split_environment(env: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What stands in ``.env``, and what was set before: the latter wins."""
    split: dict[str, dict[str, str]] = {"dotenv": {}, "environment": {}}
    for name, text in env.items():
        split["dotenv" if is_taken(name, text) else "environment"][name] = text
    return split


def _base_dir(layers: Sequence[Layer], path: str | Path | None) -> Path | None:
    """Where relative paths start from: the folder of the file that names the prompts."""
    for layer in reversed(layers):
        for key in ("path", "dataset"):
            place = layer.document.places.get(("prompts", key))
            if layer.name == "file" and place is not None:
                return Path(place.source).resolve().parent
    return None if path is None else Path(path).resolve().parent


def _without(document: Document, key: str) -> Document:
    data = {name: value for name, value in document.data.items() if name != key}
    return replace(document, data=data)


def _take_preset(
    files: Sequence[Document], named: str | None
) -> tuple[list[Document], Document | None]:
    """The files without their ``preset`` keys, and the preset that counts."""
    name: object = None
    place = Place("command line")
    stripped = []
    for document in files:
        if PRESET_KEY in document.data:
            name = document.data[PRESET_KEY]
            place = document.places.get((PRESET_KEY,), Place(document.source))
        data = {key: value for key, value in document.data.items() if key != PRESET_KEY}
        stripped.append(replace(document, data=data))
    if named is not None:
        name, place = named, Place("command line")
    return stripped, None if name is None else preset_document(name, place)


def _rename_keys(layers: Sequence[Layer]) -> tuple[list[Layer], list[ConfigWarning]]:
    renamed: list[Layer] = []
    warnings: list[ConfigWarning] = []
    for layer in layers:
        document, of_version = without_schema_version(layer.document)
        document, of_names = canonical(document)
        document, of_prompts = canonical_prompts(document)
        renamed.append(Layer(layer.name, document))
        warnings += [*of_version, *of_names, *of_prompts]
    return renamed, warnings


def _model_of(
    layers: Sequence[Layer],
    env: Mapping[str, str],
    overrides: Mapping[str, Any],
    sets: Sequence[str],
) -> type[ExperimentConfig]:
    """The model by which texts are typed: that of the backends which will be chosen."""
    data: dict[str, Any] = {}
    for layer in layers:
        data = merge(data, layer.document.data)
    energy = data.get("energy")
    names: dict[str, object] = {
        "backend": data.get("backend"),
        "energy.backend": energy.get("backend") if isinstance(energy, dict) else None,
    }
    said = {join_dotted(path): text for path, (_, text) in raw_paths(env).items()}
    said |= {str(key): value for key, value in overrides.items()}
    said |= dict(text.partition("=")[::2] for text in sets)
    names |= {key: said[key] for key in names if key in said}
    backend, _ = known_backend(names["backend"], {})
    energy, _ = known_energy(names["energy.backend"], {})
    return config_model(backend, energy)
