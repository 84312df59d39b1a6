"""What the command line says over the file: options and ``--set a.b=value``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.problems.report import InvalidConfigError, KeyPath, Place, Problem
from llenergymeasure.config.sources.nesting import nest_values
from llenergymeasure.config.sources.typed_text import parse_value
from llenergymeasure.config.sources.yaml_file import Document


def parse_sets(sets: Sequence[str], model: type[ExperimentConfig]) -> dict[str, Any]:
    """``["a.b=1"]`` as ``{"a.b": 1}``, typed by the model.

    Raises:
        InvalidConfigError: A text is not of the form ``key=value``.
    """
    values: dict[str, Any] = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")):
            problem = Problem(
                Place("command line"), "--set", f"found {text!r}, must be key=value", "invalid_set"
            )
            raise InvalidConfigError([problem])
        values[key] = parse_value(model, tuple(key.split(".")), value)
    return values


def override_document(overrides: Mapping[str, Any]) -> Document:
    """Command-line overrides, ``{"a.b": value}``, as a document.

    Raises:
        InvalidConfigError: One key is both a value and a mapping.
    """
    place = Place("command line")
    values: dict[KeyPath, tuple[Any, Place]] = {
        tuple(key.split(".")): (value, place) for key, value in overrides.items()
    }
    return nest_values("command line", values)
