"""``_extends``: one file built on others. Parents come first, the child's values win."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.config.sources.yaml_file import Document, read_document

EXTENDS_KEY = "_extends"


def read_with_parents(path: Path) -> list[Document]:
    """The documents of a file and of all that it extends, in the order in which they apply.

    Raises:
        InvalidConfigError: A file cannot be read, ``_extends`` is neither a path nor a list of
            paths, or files extend each other in a circle (the message names the circle).
    """
    return _read(path, ())


def _read(path: Path, chain: tuple[Path, ...]) -> list[Document]:
    document = read_document(path)
    own = document.data.get(EXTENDS_KEY)
    chain = (*chain, path.resolve())
    documents: list[Document] = []
    for index, parent in enumerate(_parent_names(own, document)):
        place = document.places.get(
            (EXTENDS_KEY, index), document.places.get((EXTENDS_KEY,), Place(document.source))
        )
        documents += _read_parent(path.parent, parent, place, chain)
    data = {key: value for key, value in document.data.items() if key != EXTENDS_KEY}
    return [*documents, replace(document, data=data)]


def _read_parent(
    folder: Path, parent: str, place: Place, chain: tuple[Path, ...]
) -> list[Document]:
    try:
        path = folder / Path(parent).expanduser()
        resolved = path.resolve()
        is_file = resolved.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, ~nobody, too long
        raise _refuse(place, f"cannot look for {parent!r}: {error}", "missing_file") from error
    if resolved in chain:
        circle = " -> ".join(p.name for p in (*chain[chain.index(resolved) :], resolved))
        raise _refuse(place, f"files extend each other in a circle: {circle}", "extends_cycle")
    if not is_file:
        raise _refuse(place, f"extends {path}, but there is no such file", "missing_file")
    return _read(path, chain)


def _parent_names(value: object, document: Document) -> list[str]:
    if value is None:
        return []
    names = value if isinstance(value, list) else [value]
    paths = [name for name in names if isinstance(name, str) and name]
    if len(paths) != len(names):
        place = document.places.get((EXTENDS_KEY,), Place(document.source))
        raise _refuse(place, "must be a path or a list of paths", "invalid_value")
    return paths


def _refuse(place: Place, message: str, code: str) -> InvalidConfigError:
    return InvalidConfigError([Problem(place, EXTENDS_KEY, message, code)])
