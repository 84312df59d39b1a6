"""What a scalar is: null, a boolean, a number or text, by YAML 1.2's core schema.

ruamel.yaml also takes some of YAML 1.1 for a number (``1_0``, ``0b11``, ``+0x1F``), and all of it
after ``%YAML 1.1``. Here a text has one meaning wherever it is written.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

TAG_PREFIX: Final = "tag:yaml.org,2002:"
# YAML 1.2.2, section 10.3.2.
_PATTERNS: Final = {
    "null": re.compile(r"null|Null|NULL|~|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN"
    ),
}
_BASES: Final = {"0o": 8, "0x": 16}


def kind_of(text: str) -> str:
    """``null``, ``bool``, ``int``, ``float`` or ``str``: what an unquoted scalar is."""
    return next((kind for kind, p in _PATTERNS.items() if p.fullmatch(text)), "str")


def read_scalar(kind: str, text: str) -> Any:
    """The value of ``text`` as a scalar of this kind.

    Raises:
        ValueError: It is none.
    """
    if kind in _PATTERNS and not _PATTERNS[kind].fullmatch(text):
        raise ValueError(text)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        number = int(text[2:], _BASES[text[:2]]) if text[:2] in _BASES else int(text)
        str(number)  # refused beyond Python's limit of digits, else messages could not show it
        return number
    if kind == "float":
        # Python writes inf and nan without the dot.
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    # JSON writes a character beyond the basic plane as two halves.
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


class CoreResolver(VersionedResolver):
    """Tells ruamel.yaml what an untagged scalar is, whatever version a file calls itself."""

    processing_version = (1, 2)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is ScalarNode:
            return Tag(suffix=TAG_PREFIX + (kind_of(value) if implicit[0] else "str"))
        return super().resolve(kind, value, implicit)
