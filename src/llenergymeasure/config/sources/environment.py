"""Config values from the environment: ``LEM_DECODER__TEMPERATURE=0``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from llenergymeasure.config.problems.nearest import nearest
from llenergymeasure.config.problems.report import ConfigWarning, KeyPath, Place
from llenergymeasure.config.sources.typed_text import annotation_at, parse_value
from llenergymeasure.config.sources.yaml_file import Document

PREFIX = "LEM_"
# Variables with the prefix that are no config keys.
RESERVED = frozenset({"LEM_CAMPAIGN_ID", "LEM_CAMPAIGN_NAME", "LEM_CYCLE"})


def raw_paths(env: Mapping[str, str]) -> dict[KeyPath, tuple[str, str]]:
    """Key path -> (variable, text) of every variable with the prefix; ``__`` nests."""
    return {
        tuple(name.removeprefix(PREFIX).lower().split("__")): (name, text)
        for name, text in sorted(env.items())
        if name.startswith(PREFIX) and name not in RESERVED
    }


def env_document(
    env: Mapping[str, str], model: type[BaseModel]
) -> tuple[Document, list[ConfigWarning]]:
    """The known variables as a document, and a warning for each unknown one."""
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    warnings: list[ConfigWarning] = []
    for path, (name, text) in raw_paths(env).items():
        if annotation_at(model, path) is None:
            warnings.append(_unknown(name, model))
            continue
        target = data
        for part in path[:-1]:
            target = target.setdefault(str(part), {})
        target[str(path[-1])] = parse_value(model, path, text)
        places[path] = Place(f"environment variable {name}")
    return Document("environment", data, places), warnings


def _unknown(name: str, model: type[BaseModel]) -> ConfigWarning:
    known = [PREFIX + field.upper() for field in model.model_fields]
    match = nearest(name.split("__")[0], known)
    hint = f"; did you mean {match}?" if match and match != name else ""
    place = Place(f"environment variable {name}")
    return ConfigWarning(place, "", f"is no config key, ignored{hint}", "unknown_variable")
