"""What type stands at a key of a model: through sections, mappings and lists."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from llenergymeasure.config.problems.report import KeyPath


def annotation_at(model: type[BaseModel], path: KeyPath) -> Any:
    """The annotation of the value at ``path``; None where the model has no such key."""
    current: Any = model
    for part in path:
        current = _inner(current, part)
        if current is None:
            return None
    return current


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys of the section at ``path``; none where there is no section."""
    models = [member for member in members_of(annotation_at(model, path)) if _is_model(member)]
    return list(models[0].model_fields) if models else []


def all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted keys of a model, sections and what stands in them."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(f"{prefix}{name}")
        for member in members_of(field.annotation):
            if _is_model(member):
                keys += all_keys(member, f"{prefix}{name}.")
    return keys


def default_at(model: type[BaseModel], path: KeyPath) -> Any:
    """The default of the key at ``path``; None where it has none."""
    name = str(path[-1])
    for member in members_of(annotation_at(model, path[:-1])):
        if _is_model(member) and name in member.model_fields:
            field = member.model_fields[name]
            given = field.get_default(call_default_factory=True, validated_data={})
            return None if given is PydanticUndefined else given
    return None


def without_members(model: type[BaseModel], location: KeyPath) -> tuple[KeyPath, bool]:
    """A location of pydantic as a key path, and whether it named a member of a union.

    Within a union pydantic puts the member's name after the key: ``extra_metadata.run.str``.
    """
    current: Any = model
    for index, part in enumerate(location):
        if len(_without_none(current)) > 1:
            return (*location[:index], *location[index + 1 :]), True
        current = _inner(current, part)
    return location, False


def takes_text_only(annotation: Any) -> bool:
    """Whether any text is meant as it stands, ``12`` and ``true`` included."""
    return _without_none(annotation) == (str,)


def members_of(annotation: Any) -> tuple[Any, ...]:
    """A union's members, or the annotation itself."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return members_of(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _without_none(annotation: Any) -> tuple[Any, ...]:
    return tuple(member for member in members_of(annotation) if member is not type(None))


def _inner(annotation: Any, part: str | int) -> Any:
    for member in members_of(annotation):
        origin, arguments = typing.get_origin(member), typing.get_args(member)
        if _is_model(member) and part in member.model_fields:
            return member.model_fields[part].annotation
        if origin is dict and isinstance(part, str):
            return arguments[1]
        if origin in (list, tuple) and isinstance(part, int):
            return arguments[0]
    return None


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)
