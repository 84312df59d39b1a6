"""Old names of keys. They go on working, and say what their new name is."""

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

# Old key path -> new key path. The new ones are the field's own words.
ALIASES: dict[KeyPath, KeyPath] = {
    ("fp_precision",): ("dtype",),
    ("random_seed",): ("seed",),
    ("num_input_prompts",): ("num_prompts",),
    ("num_samples",): ("num_prompts",),
    ("cycles",): ("num_cycles",),
    ("baseline", "duration_sec"): ("baseline", "duration_s"),
    ("baseline", "cache_ttl_sec"): ("baseline", "cache_ttl_s"),
}


SCHEMA_VERSION_KEY = "schema_version"
# Configs of lem 3.x say "3.0.0"; docs/reference/compatibility.md has its keys.
KNOWN_SCHEMA_VERSIONS = ("3.0.0", 1)


def without_schema_version(document: Document) -> tuple[Document, list[ConfigWarning]]:
    """The document without its ``schema_version``, and a warning if that is not a known one."""
    if SCHEMA_VERSION_KEY not in document.data:
        return document, []
    version = document.data[SCHEMA_VERSION_KEY]
    data = {key: value for key, value in document.data.items() if key != SCHEMA_VERSION_KEY}
    stripped = replace(document, data=data)
    if version in KNOWN_SCHEMA_VERSIONS and not isinstance(version, bool):
        return stripped, []
    place = document.places.get((SCHEMA_VERSION_KEY,), Place(document.source))
    known = ", ".join(map(str, KNOWN_SCHEMA_VERSIONS))
    message = f"version {version!r} is not known (known: {known}); keys may mean something else"
    return stripped, [ConfigWarning(place, SCHEMA_VERSION_KEY, message, "schema_version")]


def canonical(document: Document) -> tuple[Document, list[ConfigWarning]]:
    """The document with every old name replaced, and an info for each.

    Raises:
        InvalidConfigError: A document gives both the old and the new name.
    """
    data = dict(document.data)
    places = dict(document.places)
    warnings: list[ConfigWarning] = []
    problems: list[Problem] = []
    for old, new in ALIASES.items():
        if not _has(data, old):
            continue
        place = places.get(old, Place(document.source))
        if _has(data, new):
            message = (
                f"the old name of {join_dotted(new)!r}, which is given too; remove one of them"
            )
            problems.append(Problem(place, join_dotted(old), message, "renamed"))
            continue
        data = _move_key(data, old, new)
        places = {
            (*new, *p[len(old) :]) if p[: len(old)] == old else p: v for p, v in places.items()
        }
        warnings.append(
            ConfigWarning(
                place, join_dotted(old), f"now called {join_dotted(new)!r}", "renamed", "info"
            )
        )
    if problems:
        raise InvalidConfigError(problems)
    return replace(document, data=data, places=places), warnings


def _has(data: Any, path: KeyPath) -> bool:
    for part in path:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True


def _move_key(data: dict[str, Any], old: KeyPath, new: KeyPath) -> dict[str, Any]:
    """``data`` with a key renamed; both names stand in the same section, which is copied."""
    if len(old) > 1:
        section = str(old[0])
        return {**data, section: _move_key(data[section], old[1:], new[1:])}
    return {str(new[0]) if key == old[0] else key: value for key, value in data.items()}
