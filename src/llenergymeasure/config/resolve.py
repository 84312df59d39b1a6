"""Merging layers of config and validating the whole; every value keeps its origin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llenergymeasure.config.energy_choice import AUTO, describe_choice, tidy_choice
from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.config.problems.from_pydantic import problems_of
from llenergymeasure.config.problems.origins import DEFAULT, find_keys, from_place
from llenergymeasure.config.problems.report import (
    ConfigWarning,
    InvalidConfigError,
    KeyPath,
    Place,
    Problem,
    join_dotted,
)
from llenergymeasure.config.registry import (
    auto_energy_backends,
    energy_backend,
    inference_backend,
    usable,
)
from llenergymeasure.config.sources.yaml_file import Document
from llenergymeasure.config.validation import warnings_of
from llenergymeasure.constants import (
    DEFAULT_BACKEND,
    ENERGY_BACKENDS_GROUP,
    INFERENCE_BACKENDS_GROUP,
)
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
        warnings: What does not block, but should be known.
    """

    config: ExperimentConfig
    provenance: dict[str, dict[str, str]] = field(default_factory=dict)
    base_dir: Path | None = None
    warnings: tuple[ConfigWarning, ...] = ()

    def origins_in(self, text: str) -> dict[str, str]:
        """Where the values come from that a text names and the config's only file does not hold."""
        origins: dict[str, str] = {}
        in_files = [o["place"] for o in self.provenance.values() if o["source"] == "file"]
        files = {place.rpartition(":")[0] for place in in_files}
        for key in find_keys(text):
            origin = self.provenance.get(key)
            if origin is None:
                if self._is_default(key, text):
                    origins[key] = DEFAULT
            elif origin["source"] not in ("file", "python") or len(files) > 1:
                origins[key] = from_place(origin["place"])
        return origins

    def _is_default(self, key: str, text: str) -> bool:
        """Whether a text tells the value of a key that nothing gave."""
        value: Any = self.config if self.provenance else None
        for part in key.split("."):
            value = getattr(value, part, None)
        said = isinstance(value, int | float) and not isinstance(value, bool)
        return said and re.search(rf"\b{re.escape(str(value))}\b", text) is not None


def resolve(
    layers: Sequence[Layer],
    *,
    base_dir: Path | None,
    source: Place,
    warnings: Sequence[ConfigWarning] = (),
) -> LoadedConfig:
    """Merge layers (mappings deeply, everything else replaced) and validate the whole.

    Raises:
        InvalidConfigError: With every problem found.
    """
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    provenance: dict[str, dict[str, str]] = {}
    for layer in layers:
        given = given_paths(layer.document.data)
        replaced = [path for path in places if _is_replaced(path, data, layer.document.data)]
        for path in replaced:
            del places[path]
            provenance.pop(join_dotted(path), None)
        data = merge(data, layer.document.data)
        places.update(layer.document.places)
        for path in given:
            place = layer.document.places.get(path, Place(layer.document.source))
            provenance[join_dotted(path)] = {"source": layer.name, "place": str(place)}
    config = _validate(data, places, source)
    found = (*warnings, *warnings_of(config, provenance))
    return LoadedConfig(config, provenance, base_dir, found)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``: mappings merge deeply, lists and scalars are replaced."""
    merged = dict(base)
    for key, value in over.items():
        current = merged.get(key)
        both = isinstance(current, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(current, value) if both else value  # type: ignore[arg-type]
    return merged


def _is_replaced(path: KeyPath, below: Any, above: Any) -> bool:
    """Whether nothing is left of the value at ``path`` once ``above`` lies on ``below``."""
    for part in path:
        if not isinstance(below, Mapping) or not isinstance(above, Mapping):
            return True
        if part not in above or part not in below:
            return False
        below, above = below[part], above[part]
    return isinstance(below, Mapping) != isinstance(above, Mapping)


def _validate(
    data: dict[str, Any], places: Mapping[KeyPath, Place], source: Place
) -> ExperimentConfig:
    section = data.get("energy")
    energy_name = section.get("backend") if isinstance(section, dict) else None
    backend, bad_backend = known_backend(data.get("backend"), places)
    energy, problems = known_energy(energy_name, places)
    problems += [bad_backend] if bad_backend else []
    model = config_model(backend, energy)
    if bad_backend is None:
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


def known_backend(name: object, places: Mapping[KeyPath, Place]) -> tuple[str, Problem | None]:
    """``name`` if an engine of that name is registered, else the default and what is wrong.

    What is no name at all gives the default and no problem: validation will say it.
    """
    if not isinstance(name, str) or not name:
        return DEFAULT_BACKEND, None
    try:
        inference_backend(name)
    except UnknownBackendError as error:
        return DEFAULT_BACKEND, _unknown(error, ("backend",), places)
    return name, None


def known_energy(
    choice: object, places: Mapping[KeyPath, Place]
) -> tuple[tuple[str, ...], list[Problem]]:
    """The registered names of a choice (``auto`` without any), and what is wrong with the others.

    What is no name at all gives no problem: validation will say it.
    """
    tidy = tidy_choice(choice)
    listed = isinstance(tidy, tuple)
    names = tidy if isinstance(tidy, tuple) else (tidy,)
    known: list[str] = []
    problems: list[Problem] = []
    for position, name in enumerate(names):
        if not isinstance(name, str) or name in ("", AUTO):
            continue
        try:
            energy_backend(name)
        except UnknownBackendError as error:
            item = (position,) if listed else ()
            problems.append(_unknown(error, ("energy", "backend", *item), places))
        else:
            known.append(name)
    return tuple(known) or (AUTO,), problems


def _unknown(error: UnknownBackendError, key: KeyPath, places: Mapping[KeyPath, Place]) -> Problem:
    hint = f" ({error.hint})" if error.hint else ""
    place = places.get(key) or places.get(key[:2]) or Place("config")
    return Problem(place, join_dotted(key), f"{error.message}{hint}", "unknown_backend")


def _other_sections(backend: str, energy: tuple[str, ...]) -> dict[str, str]:
    """What to say of a section that belongs to a backend which was not chosen."""
    said = {
        name: f"options of backend {name!r}, but this config uses {backend!r}; "
        f"remove the section or set 'backend: {name}'"
        for name in usable(INFERENCE_BACKENDS_GROUP)
    }
    used = describe_choice(energy)
    if energy == (AUTO,):
        used += f" ({', '.join(spec.name for spec in auto_energy_backends())})"
    said |= {
        f"energy.{name}": f"options of energy backend {name!r}, but this config uses {used!r}; "
        f"remove the section or set 'energy.backend: {name}'"
        for name in usable(ENERGY_BACKENDS_GROUP)
    }
    return said


def given_paths(data: Mapping[str, Any], prefix: KeyPath = ()) -> list[KeyPath]:
    """The key paths of all values in ``data``; an empty mapping counts as a value."""
    paths: list[KeyPath] = []
    for key, value in data.items():
        path = (*prefix, key)
        if isinstance(value, Mapping) and value:
            paths += given_paths(value, path)
        else:
            paths.append(path)
    return paths
