"""pydantic's errors as problems a person can act on, at the line they stand in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from llenergymeasure.config.annotations import (
    all_keys,
    annotation_at,
    default_at,
    keys_at,
    without_members,
)
from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.config.problems.nearest_keys import suggest_keys
from llenergymeasure.config.problems.not_offered import not_offered_elsewhere, why_not_offered
from llenergymeasure.config.problems.origins import DEFAULT, find_keys, from_place, with_origins
from llenergymeasure.config.problems.report import KeyPath, Place, Problem, join_dotted

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "list_type": "a list",
}


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    places: Mapping[KeyPath, Place],
    source: Place,
    other_sections: Mapping[str, str],
) -> list[Problem]:
    """Translate a validation error.

    Args:
        error: What pydantic found.
        model: The model that was validated.
        places: Where each given key stands.
        source: The place of a problem whose key is not in ``places``.
        other_sections: What to say of a top-level key that belongs to another backend.
    """
    groups: dict[tuple[KeyPath, bool], list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        groups.setdefault(without_members(model, detail["loc"]), []).append(detail)
    problems = []
    for (path, of_union), details in groups.items():
        if of_union:
            place, message = _place(path, places, source), _union_message(details)
            problems.append(Problem(place, join_dotted(path), message, "invalid_value"))
        else:
            problems += [_problem(d, model, places, source, other_sections) for d in details]
    return problems


def _problem(
    detail: ErrorDetails,
    model: type[BaseModel],
    places: Mapping[KeyPath, Place],
    source: Place,
    other_sections: Mapping[str, str],
) -> Problem:
    path: KeyPath = detail["loc"]
    kind = detail["type"]
    if kind == "extra_forbidden":
        if join_dotted(path) in other_sections:
            message, code = other_sections[join_dotted(path)], "foreign_section"
        elif (reason := why_not_offered(join_dotted(path))) is not None:
            message, code = reason, "not_offered"
        else:
            message, code = _unknown_key(path, model)
    elif kind == "missing":
        message, code = "required, but not given", "missing_key"
    else:
        message, code = _value_message(detail), "invalid_value"
        if kind == "value_error":
            section, path = path, _named_key(message, path, model, places)
            origins = _origins(message, section, path, model, places)
            message = with_origins(message, origins)
    return Problem(_place(path, places, source), join_dotted(path), message, code)


_FEW = 8


def _unknown_key(path: KeyPath, model: type[BaseModel]) -> tuple[str, str]:
    """What to say of a key that is not there, and the kind of problem."""
    key, section = str(path[-1]), join_dotted(path[:-1])
    near = suggest_keys(key, section, all_keys(model))
    if near:
        return f"unknown key{near}", "unknown_key"
    elsewhere = not_offered_elsewhere(key)
    if elsewhere is not None:
        return elsewhere, "not_offered"
    valid = sorted(keys_at(model, path[:-1]))
    if len(valid) <= _FEW:
        return f"unknown key; valid keys here: {', '.join(valid) or 'none'}", "unknown_key"
    return (
        "unknown key; 'lem config schema' prints them all",
        "unknown_key",
    )


def _union_message(details: Sequence[ErrorDetails]) -> str:
    """One sentence where each kind of value that is allowed has its own error."""
    wanted = [_EXPECTED[detail["type"]] for detail in details if detail["type"] in _EXPECTED]
    if len(wanted) < len(details):
        other = next(detail for detail in details if detail["type"] not in _EXPECTED)
        return _value_message(other)
    return f"found {_show_value(details[0]['input'])}, must be {', '.join(wanted)}"


def _value_message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    found = f"found {_show_value(detail['input'])}"
    if kind == "literal_error":
        allowed = str(context.get("expected", ""))
        names = [part.strip(" '") for part in allowed.replace(" or ", ",").split(",")]
        return f"{found}, allowed: {', '.join(names)}{did_you_mean(str(detail['input']), names)}"
    bounds = {
        "greater_than_equal": ("ge", "at least"),
        "greater_than": ("gt", "more than"),
        "less_than_equal": ("le", "at most"),
        "less_than": ("lt", "less than"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        return f"{found}, must be {words} {context.get(key)}"
    if kind == "string_too_short":
        return f"{found}, must not be empty"
    if kind in _EXPECTED:
        return f"{found}, must be {_EXPECTED[kind]}"
    message = detail["msg"]
    return f"{found}: {message[:1].lower()}{message[1:]}"


def _show_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _named_key(
    message: str, path: KeyPath, model: type[BaseModel], places: Mapping[KeyPath, Place]
) -> KeyPath:
    """A rule over several keys names them in its message: point at the first that was given."""
    given = ((*path, *key.split(".")) for key in find_keys(message))
    known = (key for key in given if key in places and annotation_at(model, key) is not None)
    return next(known, path)


def _origins(
    message: str,
    section: KeyPath,
    own: KeyPath,
    model: type[BaseModel],
    places: Mapping[KeyPath, Place],
) -> dict[str, str]:
    """Where the other keys of a rule come from, unless they stand in the same file."""
    origins: dict[str, str] = {}
    for key in find_keys(message):
        path = (*section, *key.split("."))
        if path in (own, section) or annotation_at(model, path) is None:
            continue
        if path not in places:
            # Only where the message says the value; else it speaks of the key as such.
            default = default_at(model, path)
            if default is not None and re.search(rf"\b{re.escape(str(default))}\b", message):
                origins[key] = DEFAULT
        elif own not in places or places[path].source != places[own].source:
            origins[key] = from_place(places[path])
    return origins


def _place(path: KeyPath, places: Mapping[KeyPath, Place], source: Place) -> Place:
    """The place of the key itself, else of a key within it, else of the mapping around it."""
    if path and path not in places:
        within = (place for key, place in places.items() if key[: len(path)] == path)
        return next(within, None) or _place(path[:-1], places, source)
    return places.get(path, source)
