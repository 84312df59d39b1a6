"""Other ways to write the ``prompts`` section: ``dataset:`` at the top, ``isl`` and ``osl``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llenergymeasure.config.problems.report import (
    ConfigWarning,
    InvalidConfigError,
    KeyPath,
    Place,
    Problem,
    join_dotted,
)
from llenergymeasure.config.sources.yaml_file import Document

_LENGTHS = {"isl": "input_len", "osl": "output_len"}


def canonical_prompts(document: Document) -> tuple[Document, list[ConfigWarning]]:
    """The document with its prompts written in the ``prompts`` section, and an info for each key.

    Raises:
        InvalidConfigError: It says the same thing twice.
    """
    document, warnings = _from_dataset(document)
    renames = {
        ("prompts", old): ("prompts", new)
        for old, new in _LENGTHS.items()
        if isinstance(document.data.get("prompts"), dict) and old in document.data["prompts"]
    }
    for old, new in renames.items():
        section = document.data["prompts"]
        if new[1] in section:
            raise _twice(document, old, join_dotted(new))
        section = {new[1] if key == old[1] else key: value for key, value in section.items()}
        document = _move_key(document, {**document.data, "prompts": section}, {old: new})
        warnings.append(_rename_keys(document, new, old))
    return document, warnings


def _from_dataset(document: Document) -> tuple[Document, list[ConfigWarning]]:
    given = document.data.get("dataset")
    if given is None:
        return document, []
    old: KeyPath = ("dataset",)
    if "prompts" in document.data:
        raise _twice(document, old, "prompts")
    simple = {"name": given} if isinstance(given, str) else given
    if not isinstance(simple, dict):
        message = f"found {given!r}, must be a name or a mapping with a 'name'"
        place = document.places.get(old, Place(document.source))
        raise InvalidConfigError([Problem(place, "dataset", message, "invalid_value")])
    section: dict[str, Any] = {"type": "huggingface"}
    section |= {"dataset" if key == "name" else key: value for key, value in simple.items()}
    data = {key: value for key, value in document.data.items() if key != "dataset"}
    moves: dict[KeyPath, KeyPath] = {old: ("prompts",), ("dataset", "name"): ("prompts", "dataset")}
    moved = _move_key(document, {**data, "prompts": section}, moves)
    places = dict(moved.places)
    for key in ("type", "dataset"):
        if ("prompts",) in places:
            places.setdefault(("prompts", key), places[("prompts",)])
    moved = replace(moved, places=places)
    return moved, [_rename_keys(moved, ("prompts",), old)]


def _move_key(document: Document, data: dict[str, Any], moves: dict[KeyPath, KeyPath]) -> Document:
    def moved(path: KeyPath) -> KeyPath:
        for old in sorted(moves, key=len, reverse=True):
            if path[: len(old)] == old:
                return (*moves[old], *path[len(old) :])
        return path

    places = {moved(path): place for path, place in document.places.items()}
    return replace(document, data=data, places=places)


def _rename_keys(document: Document, new: KeyPath, old: KeyPath) -> ConfigWarning:
    place = document.places.get(new, Place(document.source))
    words = f"now called {join_dotted(new)!r}"
    if old == ("dataset",):
        words += " with 'type: huggingface'"
    return ConfigWarning(place, join_dotted(old), words, "renamed", "info")


def _twice(document: Document, old: KeyPath, new: str) -> InvalidConfigError:
    place = document.places.get(old, Place(document.source))
    message = f"another way to write {new!r}, which is given too; remove one of them"
    return InvalidConfigError([Problem(place, join_dotted(old), message, "renamed")])
