"""The only place that turns names into classes."""

from __future__ import annotations

import importlib
from typing import Any

from llenergymeasure.config.backend_detection import missing_requirements
from llenergymeasure.config.backend_spec import ComponentSpec, EnergyBackendSpec
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.registry import (
    auto_energy_backends,
    energy_backend,
    inference_backend,
)
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.core.energy_backends.base import EnergyBackend
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
    return backend


def chosen_energy_spec(config: ExperimentConfig) -> EnergyBackendSpec:
    """The spec that ``energy.backend`` names; for ``auto`` the best one that is installed."""
    if config.energy.backend != "auto":
        return energy_backend(config.energy.backend)
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
