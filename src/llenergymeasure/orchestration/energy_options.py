"""Options of energy sources that do not come from a config: those of a meter."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from llenergymeasure.config.backend_spec import BackendOptions, EnergyBackendSpec
from llenergymeasure.config.energy_choice import AUTO, names_of
from llenergymeasure.config.problems.from_pydantic import problems_of
from llenergymeasure.config.problems.report import InvalidConfigError, Place, Problem
from llenergymeasure.config.registry import auto_energy_backends
from llenergymeasure.exceptions import ConfigurationError

_DEVICES, _INTERVAL = "devices", "interval_ms"


def meter_options(
    choice: str | Sequence[str],
    specs: Sequence[EnergyBackendSpec],
    options: Mapping[str, Any],
    *,
    gpus: Sequence[str] | None = None,
    interval_ms: float | None = None,
) -> dict[str, BackendOptions]:
    """The validated options of each chosen source, by its name.

    Args:
        choice: As in ``energy.backend``.
        specs: The sources that it means here.
        options: Of the one source that is named; of several (or ``auto``) by the name of each.
        gpus: For every source that takes names of GPUs.
        interval_ms: For every source that has a sampling interval.

    Raises:
        InvalidConfigError: The options are wrong.
        ConfigurationError: No chosen source can be told its GPUs, or its interval.
    """
    names = names_of(choice)
    alone = len(names) == 1 and names != (AUTO,)
    given = {names[0]: dict(options)} if alone else _by_source(choice, options)
    if gpus is not None:
        told = [spec for spec in specs if _takes_names(spec)]
        _tell(told, given, _DEVICES, tuple(gpus), "which GPUs to measure", specs)
    if interval_ms is not None:
        told = [spec for spec in specs if _INTERVAL in spec.options.model_fields]
        _tell(told, given, _INTERVAL, interval_ms, "an interval between its readings", specs)
    return {spec.name: _validate(spec, given.get(spec.name, {})) for spec in specs}


def _by_source(
    choice: str | Sequence[str], options: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    names = names_of(choice)
    known = [spec.name for spec in auto_energy_backends()] if names == (AUTO,) else list(names)
    problems = [
        Problem(Place("options"), name, message, "foreign_section")
        for name, section in options.items()
        if (message := _wrong_section(name, section, known)) is not None
    ]
    if problems:
        raise InvalidConfigError(problems)
    return {name: dict(section) for name, section in options.items()}


def _wrong_section(name: str, section: object, known: Sequence[str]) -> str | None:
    if name not in known:
        return f"not among the chosen sources; options stand under their name: {', '.join(known)}"
    return None if isinstance(section, Mapping) else "must be a mapping of options"


def _takes_names(spec: EnergyBackendSpec) -> bool:
    """Whether it takes GPUs by index, UUID or bus id, and not only by an index of its own."""
    field = spec.options.model_fields.get(_DEVICES)
    return field is not None and str in _within(field.annotation)


def _within(annotation: Any) -> set[Any]:
    """All types that an annotation is made of."""
    parts = typing.get_args(annotation)
    return {annotation} if not parts else set().union(*map(_within, parts))


def _tell(
    told: Sequence[EnergyBackendSpec],
    given: dict[str, dict[str, Any]],
    key: str,
    value: Any,
    what: str,
    specs: Sequence[EnergyBackendSpec],
) -> None:
    if not told:
        names = ", ".join(spec.name for spec in specs)
        raise ConfigurationError(
            f"none of the chosen energy sources ({names}) can be told {what}",
            hint="choose another source, such as nvml; lem backends lists them",
        )
    for spec in told:
        section = given.setdefault(spec.name, {})
        if key in section:
            raise ConfigurationError(f"{key} of {spec.name} is given twice")
        section[key] = value


def _validate(spec: EnergyBackendSpec, options: Mapping[str, Any]) -> BackendOptions:
    try:
        return spec.options.model_validate(dict(options))
    except ValidationError as error:
        place = Place(f"options of {spec.name}")
        raise InvalidConfigError(problems_of(error, spec.options, {}, place, {})) from error
