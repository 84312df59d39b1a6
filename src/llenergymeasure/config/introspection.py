"""The single source of what a parameter is: type, default, bounds, choices, unit, help, tier.

Everything that documents or checks parameters is made from here: the JSON Schema, the reference
page, the example config, the nearest-key hints.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from llenergymeasure.config.energy_choice import AUTO
from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.config.registry import auto_energy_backends, energy_backend, inference_backend
from llenergymeasure.constants import DEFAULT_BACKEND

Tier = Literal["universal", "backend", "energy"]

_UNITS = {"_s": "s", "_ms": "ms", "_w": "W", "_j": "J", "_bytes": "bytes", "_w_per_s": "W/s"}
_COUNTS = {"_tokens": "tokens", "num_prompts": "prompts", "num_cycles": "cycles"}


@dataclass(frozen=True)
class Parameter:
    """One config key.

    Attributes:
        key: Dotted key.
        type: In words: ``whole number``, ``number``, ``text``, ``true or false``, ``list``.
        default: The default; None with ``required`` False and ``optional`` True is ``null``.
        required: Whether it must be given.
        optional: Whether ``null`` is allowed.
        bounds: In words, e.g. ``at least 1``; empty without bounds.
        choices: Allowed values; empty where any value of the type is.
        unit: ``s``, ``W``, ``tokens``, ...; None for what has no unit.
        help: One sentence.
        tier: ``universal``, ``backend`` or ``energy``.
        section: Name of the backend whose section it stands in; None for a universal one.
    """

    key: str
    type: str
    default: Any
    required: bool
    optional: bool
    bounds: str
    choices: tuple[str, ...]
    unit: str | None
    help: str
    tier: Tier
    section: str | None = None


def get_universal_params() -> list[Parameter]:
    """The parameters that every engine understands (tier 1), in the order of the model."""
    return list(_walk(ExperimentConfig, "", "universal", None))


def get_backend_params(backend: str) -> list[Parameter]:
    """The parameters of one inference backend's section (tier 2).

    Raises:
        UnknownBackendError: No such backend.
    """
    return list(_walk(inference_backend(backend).options, f"{backend}.", "backend", backend))


def get_energy_params(backend: str) -> list[Parameter]:
    """The parameters of one energy backend's section.

    Raises:
        UnknownBackendError: No such energy backend.
    """
    options = energy_backend(backend).options
    return list(_walk(options, f"energy.{backend}.", "energy", backend))


def get_streaming_constraints(backend: str) -> dict[str, str]:
    """What a backend cannot do while it streams: key -> why. Empty where nothing is lost.

    Raises:
        UnknownBackendError: No such backend.
    """
    spec = inference_backend(backend)
    if not spec.capabilities.streaming:
        return {"streaming": f"backend {backend!r} does not report single tokens"}
    return {}


def json_schema(backend: str = DEFAULT_BACKEND, energy: str = AUTO) -> dict[str, Any]:
    """The JSON Schema of a config for these backends; ``energy`` as in ``energy.backend``.

    Raises:
        UnknownBackendError: No such backend.
    """
    schema = config_model(backend, energy).model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"llenergymeasure experiment ({backend})"
    schema["properties"]["_extends"] = {
        "description": "Path of a config, or list of paths, that this one builds on.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    schema["properties"]["preset"] = {
        "description": "Named starting point that lies under this file.",
        "type": "string",
    }
    # A parent file or a preset may give what this file leaves out.
    schema.pop("required", None)
    return schema


def auto_energy_names() -> list[str]:
    """What ``energy.backend: auto`` tries, best first."""
    return [spec.name for spec in auto_energy_backends()]


def _walk(
    model: type[BaseModel], prefix: str, tier: Tier, section: str | None
) -> Iterator[Parameter]:
    for name, field in model.model_fields.items():
        nested = _nested_model(field.annotation)
        if nested is not None:
            yield from _walk(nested, f"{prefix}{name}.", tier, section)
        else:
            yield _parameter(f"{prefix}{name}", name, field, tier, section)


def _parameter(key: str, name: str, field: FieldInfo, tier: Tier, section: str | None) -> Parameter:
    members = _members(field.annotation)
    optional = type(None) in members
    kinds = [member for member in members if member is not type(None)] or [Any]
    literals = [kind for kind in kinds if typing.get_origin(kind) is Literal]
    choices = [choice for kind in literals for choice in typing.get_args(kind)]
    default = field.get_default(call_default_factory=True, validated_data={})
    return Parameter(
        key=key,
        type=" or ".join(_type_words(kind) for kind in kinds),
        default=None if default is PydanticUndefined else default,
        required=field.is_required(),
        optional=optional,
        bounds=_bounds(field),
        choices=tuple(str(choice) for choice in choices),
        unit=_unit(name),
        help=field.description or "",
        tier=tier,
        section=section,
    )


def _members(annotation: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(annotation)
    if origin is typing.Union or origin is types.UnionType:
        return typing.get_args(annotation)
    return (annotation,)


def _nested_model(annotation: Any) -> type[BaseModel] | None:
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return None if hasattr(member, "in_words") else member
    return None


def _type_words(kind: Any) -> str:
    origin = typing.get_origin(kind)
    if origin is Literal:
        return "choice"
    if origin in (tuple, list):
        return "list"
    if origin is dict:
        return "mapping"
    if origin is typing.Annotated:
        return _type_words(typing.get_args(kind)[0])
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return words.get(kind) or str(getattr(kind, "in_words", kind))


def _bounds(field: FieldInfo) -> str:
    words = (
        ("ge", "at least {}"),
        ("gt", "more than {}"),
        ("le", "at most {}"),
        ("lt", "less than {}"),
    )
    return ", ".join(
        text.format(getattr(rule, name))
        for name, text in words
        for rule in field.metadata
        if getattr(rule, name, None) is not None
    )


def _unit(name: str) -> str | None:
    for suffix in sorted(_UNITS, key=len, reverse=True):
        if name.endswith(suffix):
            return _UNITS[suffix]
    return next((unit for end, unit in _COUNTS.items() if name.endswith(end)), None)
