"""Values that arrive as text (environment, ``--set``), read as YAML would read them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from llenergymeasure.config.annotations import annotation_at, takes_text_only
from llenergymeasure.config.old_keys.renamed import ALIASES
from llenergymeasure.config.problems.report import InvalidConfigError, KeyPath
from llenergymeasure.config.sources.core_schema import kind_of
from llenergymeasure.config.sources.yaml_file import parse_document


def parse_value(model: type[BaseModel], path: KeyPath, text: str) -> Any:
    """Read ``text`` as the value of the key ``path``; text fields take it as it stands."""
    if takes_text_only(annotation_at(model, ALIASES.get(path, path))) and (
        not text or kind_of(text) != "null"
    ):
        return text
    try:
        return parse_document(f"value: {text}", "text").data["value"]
    except InvalidConfigError:
        return text
