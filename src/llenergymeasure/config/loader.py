"""From a file and overrides to a validated, frozen config whose every value has an origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.config.problems import (
    InvalidConfigError,
    KeyPath,
    Place,
    Problem,
    dotted,
)
from llenergymeasure.config.registry import usable
from llenergymeasure.config.translate import problems_of
from llenergymeasure.config.yaml_source import Document, read_document
from llenergymeasure.constants import ENERGY_BACKENDS_GROUP, INFERENCE_BACKENDS_GROUP
from llenergymeasure.exceptions import UnknownBackendError


@dataclass(frozen=True)
class Layer:
    """One source of values. Later layers win."""

    name: str
    document: Document


@dataclass(frozen=True)
class LoadedConfig:
    """A valid config and where it comes from.

    Attributes:
        config: The validated config.
        provenance: For each dotted key that was given: ``{"source", "place"}``.
        base_dir: Folder that relative paths in the config start from; None without a file.
    """

    config: ExperimentConfig
    provenance: dict[str, dict[str, str]] = field(default_factory=dict)
    base_dir: Path | None = None


def load_config(path: str | Path) -> ExperimentConfig:
    """Load and validate a config file.

    Raises:
        InvalidConfigError: With every problem found, each with its file, line and key.
    """
    return load(path).config


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> LoadedConfig:
    """Load a file, apply overrides from the command line (dotted keys), validate.

    Raises:
        InvalidConfigError: With every problem found.
    """
    file = Path(path)
    layers = [Layer("file", read_document(file))]
    if overrides:
        layers.append(Layer("cli", override_document(overrides)))
    return resolve(layers, base_dir=file.resolve().parent)


def from_mapping(data: Mapping[str, Any]) -> LoadedConfig:
    """Validate a config given as a Python mapping (see ``load``)."""
    places = {path: Place("config") for path in _paths(data)}
    return resolve([Layer("python", Document("config", dict(data), places))], base_dir=None)


def override_document(overrides: Mapping[str, Any]) -> Document:
    """Command-line overrides, ``{"a.b": value}``, as a document."""
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    for key, value in overrides.items():
        *parents, last = key.split(".")
        target = data
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
        places[(*parents, last)] = Place("command line")
    return Document("command line", data, places)


def resolve(layers: Sequence[Layer], *, base_dir: Path | None) -> LoadedConfig:
    """Merge layers (mappings deeply, everything else replaced) and validate the whole.

    Raises:
        InvalidConfigError: With every problem found.
    """
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    provenance: dict[str, dict[str, str]] = {}
    for layer in layers:
        data = merge(data, layer.document.data)
        places.update(layer.document.places)
        for path in _paths(layer.document.data):
            place = layer.document.places.get(path, Place(layer.document.source))
            provenance[dotted(path)] = {"source": layer.name, "place": str(place)}
    source = Place(layers[0].document.source)
    return LoadedConfig(_validate(data, places, source), provenance, base_dir)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``: mappings merge deeply, lists and scalars are replaced."""
    merged = dict(base)
    for key, value in over.items():
        current = merged.get(key)
        both = isinstance(current, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(current, value) if both else value  # type: ignore[arg-type]
    return merged


def _validate(
    data: dict[str, Any], places: Mapping[KeyPath, Place], source: Place
) -> ExperimentConfig:
    problems: list[Problem] = []
    backend = _known_backend(("backend",), data.get("backend"), "pytorch", places, problems)
    energy_section = data.get("energy")
    energy_name = energy_section.get("backend") if isinstance(energy_section, dict) else None
    energy = _known_backend(("energy", "backend"), energy_name, "auto", places, problems)
    model = config_model(backend, energy)
    if not any(problem.key == "backend" for problem in problems):
        others = _other_sections(backend, energy)
    else:
        # Nothing can be said of a section while its backend is not known.
        others = {}
        data = {k: v for k, v in data.items() if k not in usable(INFERENCE_BACKENDS_GROUP)}
    try:
        config = model.model_validate(data)
    except ValidationError as error:
        found = problems_of(error, model, places, source, others)
        known = {problem.key for problem in problems}
        problems += [problem for problem in found if problem.key not in known]
    if problems:
        problems.sort(key=lambda p: (p.place.source, p.place.line or 0))
        raise InvalidConfigError(problems)
    return config


def _known_backend(
    path: KeyPath,
    name: object,
    default: str,
    places: Mapping[KeyPath, Place],
    problems: list[Problem],
) -> str:
    """``name`` if it can be looked up, else the default, with a problem noted if it is wrong."""
    if not isinstance(name, str) or name in ("", "auto"):
        return default
    try:
        config_model(name) if path == ("backend",) else config_model("pytorch", name)
    except UnknownBackendError as error:
        hint = f" ({error.hint})" if error.hint else ""
        place = places.get(path, Place("config"))
        problems.append(Problem(place, dotted(path), f"{error.message}{hint}", "unknown_backend"))
        return default
    return name


def _other_sections(backend: str, energy: str) -> dict[str, str]:
    """What to say of a section that belongs to a backend which was not chosen."""
    said = {
        name: f"options of backend {name!r}, but this config uses {backend!r}; "
        f"remove the section or set 'backend: {name}'"
        for name in usable(INFERENCE_BACKENDS_GROUP)
    }
    said |= {
        f"energy.{name}": f"options of energy backend {name!r}, but this config uses {energy!r}; "
        f"remove the section or set 'energy.backend: {name}'"
        for name in usable(ENERGY_BACKENDS_GROUP)
    }
    return said


def _paths(data: Mapping[str, Any], prefix: KeyPath = ()) -> list[KeyPath]:
    paths: list[KeyPath] = []
    for key, value in data.items():
        path = (*prefix, key)
        if isinstance(value, Mapping) and value:
            paths += _paths(value, path)
        else:
            paths.append(path)
    return paths
