"""Reading a YAML (1.2) or JSON file into plain data, with the line of every key.

ruamel.yaml parses; only its node tree is used, and only the core types are built from it, so
that a tag can run no code. Size, depth and the number of expanded nodes are bounded, so that
nested aliases cannot fill the memory.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import ScalarEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.config.problems.report import (
    InvalidConfigError,
    KeyPath,
    Place,
    Problem,
    join_dotted,
)
from llenergymeasure.config.sources.core_schema import TAG_PREFIX, CoreResolver, read_scalar

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE_BYTES = 1_048_576
MAX_DEPTH = 32
MAX_NODES = 20_000

_MOST_BESIDE = 1000
_TOO_LARGE = "too large or too deep once its aliases are expanded"


@dataclass(frozen=True)
class Document:
    """A mapping read from a file, and the place of each of its keys by key path."""

    source: str
    data: dict[str, Any]
    places: dict[KeyPath, Place] = field(default_factory=dict)


def read_document(path: Path, *, may_be_empty: bool = False) -> Document:
    """Read one file.

    Args:
        path: The file.
        may_be_empty: Whether a file without any key (empty, comments only) is a mapping too.

    Raises:
        InvalidConfigError: It is missing, unreadable, not text, too large, not valid YAML, not
            a mapping, or uses tags or aliases beyond what a config needs.
    """
    return parse_document(_read_text(path), str(path), may_be_empty=may_be_empty)


def parse_document(text: str, source: str, *, may_be_empty: bool = False) -> Document:
    """Parse text that came from ``source`` (see ``read_document``)."""
    parser = YAML(typ="safe", pure=True)
    parser.Composer = _BoundedComposer
    parser.Resolver = CoreResolver
    try:
        root = parser.compose(io.StringIO(text))
    except _TooLargeError as error:
        raise _refuse(source, error.line, _TOO_LARGE, "too_large") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        detail = " ".join(part for part in (error.context, error.problem) if part)
        raise _refuse(source, line, f"not valid YAML: {detail}", "invalid_yaml") from error
    except (YAMLError, ValueError, RecursionError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _refuse(source, None, f"not valid YAML: {detail}", "invalid_yaml") from error
    if may_be_empty and (root is None or root.tag == f"{TAG_PREFIX}null"):
        return Document(source, {})
    if root is None:
        raise _refuse(source, None, "the file is empty", "empty_file")
    if not isinstance(root, MappingNode):
        raise _refuse(
            source, 1, "a config is a mapping of keys to values, this is not one", "not_a_mapping"
        )
    builder = _Builder(source)
    data = builder.mapping(root, ())
    return Document(source, data, builder.places)


def _read_text(path: Path) -> str:
    source = str(path)
    try:
        if path.is_dir():
            raise _refuse(source, None, "this is a folder, not a config file", "not_a_file")
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        near = did_you_mean(path.name, _configs_beside(path))
        message = f"there is no such file{near}"
        if path.is_symlink():
            message = "this is a link to a file that is not there"
        raise _refuse(source, None, message, "missing_file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _refuse(source, None, f"cannot be read: {reason}", "unreadable_file") from error
    if len(raw) > MAX_FILE_BYTES:
        raise _refuse(source, None, "larger than 1 MiB: not a config file", "file_too_large")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not a text file: byte {error.start} is not UTF-8"
        raise _refuse(source, None, message, "not_text") from error
    if "\x00" in text:
        raise _refuse(source, None, "not a text file: it holds NUL bytes", "not_text")
    return text


def _configs_beside(path: Path) -> list[str]:
    try:
        beside = islice(path.parent.iterdir(), _MOST_BESIDE)
        return [other.name for other in beside if other.suffix in SUFFIXES]
    except OSError:
        return []


def _refuse(source: str, line: int | None, message: str, code: str) -> InvalidConfigError:
    return InvalidConfigError([Problem(Place(source, line), "", message, code)])


class _TooLargeError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _BoundedComposer(Composer):
    """Stops as soon as a file is too large or too deep, not after it was parsed for seconds."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._nodes = 0
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._nodes += 1
        self._depth += 1
        if self._nodes > 2 * MAX_NODES or self._depth > MAX_DEPTH + 2:
            raise _TooLargeError(self.parser.peek_event().start_mark.line + 1)
        event = self.parser.peek_event()
        if isinstance(event, ScalarEvent) and str(event.ctag) == "!":
            event.implicit = (False, True)  # "! 12" is text
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _merges(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and key.style is None


class _Builder:
    """Builds plain data from nodes and remembers where each key stands."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[KeyPath, Place] = {}
        self._visited = 0

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        self._check(node, path)
        data: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        own: dict[str, int] = {}
        # What is merged comes first: the keys beside it win, and so do their lines.
        for key_node, value_node in sorted(node.value, key=lambda pair: not _merges(pair[0])):
            line = key_node.start_mark.line + 1
            key = self._key(key_node, path)
            if key in own:
                first = own[key]
                raise self._refuse(
                    line, (*path, key), f"given twice, first in line {first}", "duplicate_key"
                )
            own[key] = line
            if _merges(key_node):
                merged = self._merge(value_node, path)
                continue
            self.places[*path, key] = Place(self.source, line)
            data[key] = self._value(value_node, (*path, key))
        return {**merged, **data}

    def _merge(self, node: Node, path: KeyPath) -> dict[str, Any]:
        nodes = node.value if isinstance(node, SequenceNode) else [node]
        result: dict[str, Any] = {}
        for part in reversed(nodes):
            if not isinstance(part, MappingNode):
                line = part.start_mark.line + 1
                raise self._refuse(line, path, "'<<' needs a mapping", "invalid_yaml")
            result.update(self.mapping(part, path))
        return result

    def _key(self, node: Node, path: KeyPath) -> str:
        if isinstance(node, ScalarNode) and node.tag == f"{TAG_PREFIX}str":
            return str(self._scalar(node, path))
        line = node.start_mark.line + 1
        found = node.value if isinstance(node, ScalarNode) else "a list or mapping"
        raise self._refuse(line, path, f"keys are text, found {found!r}", "invalid_key")

    def _value(self, node: Node, path: KeyPath) -> Any:
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        self._check(node, path)
        if isinstance(node, SequenceNode):
            return [self._item(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _item(self, node: Node, path: KeyPath) -> Any:
        self.places[path] = Place(self.source, node.start_mark.line + 1)
        return self._value(node, path)

    def _scalar(self, node: Node, path: KeyPath) -> Any:
        # Dates stay text: no field is a date, and a quoted and an unquoted one should be equal.
        kind = str(node.tag).removeprefix(TAG_PREFIX)
        try:
            return read_scalar(kind, str(node.value))
        except ValueError as error:
            line = node.start_mark.line + 1
            message = f"{node.value!r} is not a valid {kind}"
            raise self._refuse(line, path, message, "invalid_yaml") from error

    def _check(self, node: Node, path: KeyPath) -> None:
        line = node.start_mark.line + 1
        allowed = ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")
        if str(node.tag).removeprefix(TAG_PREFIX) not in allowed:
            raise self._refuse(line, path, f"the tag {node.tag!r} is not allowed", "yaml_tag")
        self._visited += 1
        if self._visited > MAX_NODES or len(path) > MAX_DEPTH:
            raise self._refuse(line, (), _TOO_LARGE, "too_large")

    def _refuse(self, line: int, path: KeyPath, message: str, code: str) -> InvalidConfigError:
        return InvalidConfigError(
            [Problem(Place(self.source, line), join_dotted(path), message, code)]
        )
