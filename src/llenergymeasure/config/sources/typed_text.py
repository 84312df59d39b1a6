"""Values that arrive as text (environment, ``--set``), read as YAML would read them."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel

from llenergymeasure.config.problems.report import InvalidConfigError, KeyPath
from llenergymeasure.config.sources.yaml_file import parse_document


def parse_value(model: type[BaseModel], path: KeyPath, text: str) -> Any:
    """Read ``text`` as the value of the key ``path``; text fields take it as it stands."""
    annotation = annotation_at(model, path)
    if str in _parts(annotation) and text not in ("null", "~"):
        return text
    try:
        return parse_document(f"value: {text}", "text").data["value"]
    except InvalidConfigError:
        return text


def annotation_at(model: type[BaseModel], path: KeyPath) -> Any:
    """The annotation of the field at ``path``; None where there is no such field."""
    current: Any = model
    for index, part in enumerate(path):
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            return None
        if index == len(path) - 1:
            return field.annotation
        models = [p for p in _parts(field.annotation) if _is_model(p)]
        if not models:
            return None
        current = models[0]
    return None


def _parts(annotation: Any) -> tuple[Any, ...]:
    """A union's members, or the annotation itself."""
    return get_args(annotation) if get_origin(annotation) is not None else (annotation,)


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
