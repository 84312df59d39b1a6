"""The only place that turns names into classes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from llenergymeasure.config.backend_detection import missing_requirements
from llenergymeasure.config.backend_spec import ComponentSpec, EnergyBackendSpec
from llenergymeasure.config.energy_choice import names_of
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.problems import InvalidConfigError, Place
from llenergymeasure.config.registry import (
    auto_energy_backends,
    energy_backend,
    inference_backend,
)
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.config.translate import problems_of
from llenergymeasure.core.energy_backends.base import AdjustableSampling, EnergyBackend
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.exceptions import BackendError


def create_inference_backend(config: ExperimentConfig) -> InferenceBackend:
    """The engine that the config asks for, not yet loaded.

    Raises:
        UnknownBackendError: No such backend.
        BackendError: What it needs is not installed, or its class cannot be imported.
    """
    spec = inference_backend(config.backend)
    backend: InferenceBackend = _target(spec)(config)
    return backend


def create_energy_backend(config: ExperimentConfig, rank: Rank) -> EnergyBackend:
    """The energy source of this process, not yet prepared.

    A source that bills the whole machine runs on rank 0 only: N processes would bill it N times.
    """
    spec = chosen_energy_spec(config)
    if spec.scope == "machine" and rank.index != 0:
        spec = energy_backend("none")
    backend: EnergyBackend = _target(spec)(config.energy.options_of(spec.name))
    if config.timeseries.kept and isinstance(backend, AdjustableSampling):
        backend.sample_every(config.timeseries.sample_interval_ms / 1e3)
    return backend


def create_energy_source(name: str, options: Mapping[str, Any]) -> tuple[str, EnergyBackend]:
    """The energy source ``name`` (``auto``: the best one here) with options given as a mapping.

    Raises:
        UnknownBackendError: No such energy backend.
        InvalidConfigError: The options are wrong.
        BackendError: What it needs is not installed.
    """
    spec = energy_spec(name)
    try:
        validated = spec.options.model_validate(dict(options))
    except ValidationError as error:
        place = Place(f"options of {spec.name}")
        raise InvalidConfigError(problems_of(error, spec.options, {}, place, {})) from error
    backend: EnergyBackend = _target(spec)(validated)
    return spec.name, backend


def chosen_energy_spec(config: ExperimentConfig) -> EnergyBackendSpec:
    """The spec that ``energy.backend`` names; for ``auto`` the best one that is installed."""
    return energy_spec(names_of(config.energy.backend)[0])


def energy_spec(name: str) -> EnergyBackendSpec:
    """The spec of an energy backend by its name, ``auto`` included."""
    if name != "auto":
        return energy_backend(name)
    for spec in auto_energy_backends():
        if not missing_requirements(spec):
            return spec
    return energy_backend("none")


def _target(spec: ComponentSpec) -> Any:
    missing = missing_requirements(spec)
    if missing:
        raise BackendError(
            f"backend {spec.name!r} needs {', '.join(missing)}, which is not installed here",
            hint=spec.install_hint or f"install {', '.join(missing)}",
        )
    module, _, name = spec.target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BackendError(
            f"backend {spec.name!r} cannot be imported from {spec.target}: {error}",
            hint=spec.install_hint or None,
        ) from error
