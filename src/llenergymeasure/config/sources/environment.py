"""Config values from the environment: ``LEM_DECODER__TEMPERATURE=0``."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from llenergymeasure.config.annotations import all_keys, annotation_at
from llenergymeasure.config.old_keys.renamed import ALIASES
from llenergymeasure.config.problems.nearest_keys import join_or, nearest_keys
from llenergymeasure.config.problems.report import ConfigWarning, KeyPath, Place
from llenergymeasure.config.sources.dotenv import place_of_variable
from llenergymeasure.config.sources.nesting import nest_values
from llenergymeasure.config.sources.typed_text import parse_value
from llenergymeasure.config.sources.yaml_file import Document
from llenergymeasure.constants import OWN_VARIABLES

PREFIX = "LEM_"


def raw_paths(env: Mapping[str, str]) -> dict[KeyPath, tuple[str, str]]:
    """Key path -> (variable, text) of every variable with the prefix; ``__`` nests."""
    return {
        tuple(name.removeprefix(PREFIX).lower().split("__")): (name, text)
        for name, text in sorted(env.items())
        if name.startswith(PREFIX) and name not in OWN_VARIABLES
    }


def env_document(
    env: Mapping[str, str], model: type[BaseModel]
) -> tuple[Document, list[ConfigWarning]]:
    """The known variables as a document, and a warning for each unknown one.

    Raises:
        InvalidConfigError: One key is given a value, and keys of its own.
    """
    values: dict[KeyPath, tuple[Any, Place]] = {}
    warnings: list[ConfigWarning] = []
    for path, (name, text) in raw_paths(env).items():
        if path not in ALIASES and annotation_at(model, path) is None:
            warnings.append(_unknown(name, text, model))
        else:
            values[path] = (parse_value(model, path, text), place_of_variable(name, text))
    return nest_values("environment", values), warnings


def _unknown(name: str, text: str, model: type[BaseModel]) -> ConfigWarning:
    *sections, last = name.removeprefix(PREFIX).lower().split("__")
    near = nearest_keys(last, ".".join(sections), all_keys(model))
    variables = get_close_matches(name, OWN_VARIABLES, n=1, cutoff=0.85)
    variables += [PREFIX + key.upper().replace(".", "__") for key in near]
    hint = f"; did you mean {join_or(variables)}?" if variables else ""
    place = place_of_variable(name, text)
    return ConfigWarning(place, "", f"is no config key, ignored{hint}", "unknown_variable")
