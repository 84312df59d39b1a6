"""The only place that turns names into classes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from llenergymeasure.config.backend_detection import missing_requirements
from llenergymeasure.config.backend_spec import (
    BackendOptions,
    ComponentSpec,
    EnergyBackendSpec,
)
from llenergymeasure.config.energy_choice import AUTO, ESTIMATE, NONE, check_choice, names_of
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.registry import (
    auto_energy_backends,
    energy_backend,
    inference_backend,
)
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.core.energy_backends.base import AdjustableSampling, EnergyBackend
from llenergymeasure.core.energy_backends.combined.backend import CompositeBackend
from llenergymeasure.core.energy_backends.combined.ownership import Leniency
from llenergymeasure.core.energy_backends.combined.part import Part
from llenergymeasure.core.inference_backends.protocols import InferenceBackend
from llenergymeasure.domain.energy import EnergyScope
from llenergymeasure.domain.prompt import Prompt
from llenergymeasure.exceptions import BackendError, ConfigurationError
from llenergymeasure.orchestration.energy_options import meter_options


def create_inference_backend(config: ExperimentConfig) -> InferenceBackend:
    """The engine that the config asks for, not yet loaded.

    Raises:
        UnknownBackendError: No such backend.
        BackendError: What it needs is not installed, or its class cannot be imported.
    """
    spec = inference_backend(config.backend)
    backend: InferenceBackend = _target(spec)(config)
    return backend


def look_ahead(config: ExperimentConfig, prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """What the engine says of a run before anything is started, a sentence each.

    Raises:
        ConfigurationError: The run could not give a single answer.
    """
    spec = inference_backend(config.backend)
    return tuple(_import(spec, spec.preflight)(config, prompts)) if spec.preflight else ()


def create_energy_backend(config: ExperimentConfig, rank: Rank) -> EnergyBackend:
    """The energy source of this process, not yet prepared; several sources are one.

    A source that bills the whole machine runs in one process of each host: others would bill it
    again.

    Raises:
        BackendError: What a source needs is not installed, or its class cannot be imported.
    """
    choice = config.energy.backend
    specs = [
        spec for spec in energy_specs(choice) if spec.scope == "device" or rank.reads_machine
    ] or [energy_backend(NONE)]
    options = {spec.name: config.energy.options_of(spec.name) for spec in specs}
    backend = _energy_source(choice, specs, options)
    if config.timeseries.enabled and isinstance(backend, AdjustableSampling):
        backend.sample_every(config.timeseries.sample_interval_ms / 1e3)
    return backend


def create_energy_source(
    choice: str | Sequence[str],
    options: Mapping[str, Any],
    *,
    gpus: Sequence[str] | None = None,
    interval_ms: float | None = None,
) -> tuple[str, EnergyBackend]:
    """The name and the energy source of a meter (arguments as in ``meter_options``).

    Raises:
        ConfigurationError: There is no such source, or its options are wrong.
        BackendError: What it needs is not installed.
    """
    specs = energy_specs(choice)
    validated = meter_options(choice, specs, options, gpus=gpus, interval_ms=interval_ms)
    return energy_label(choice), _energy_source(choice, specs, validated)


def energy_specs(choice: str | Sequence[str]) -> list[EnergyBackendSpec]:
    """The sources that a choice means here, best first; of ``auto`` those that are installed.

    Raises:
        ConfigurationError: The names do not go together, or one is not registered.
    """
    try:
        check_choice(choice)
    except ValueError as error:
        raise ConfigurationError(f"energy backend: {error}") from error
    names = names_of(choice)
    if names != (AUTO,):
        return [energy_backend(name) for name in names]
    installed = [spec for spec in auto_energy_backends() if not missing_requirements(spec)]
    return installed or [energy_backend(NONE)]


def energy_label(choice: str | Sequence[str]) -> str:
    """The sources of a choice in a word: ``nvml+rapl``."""
    return "+".join(spec.name for spec in energy_specs(choice))


def _energy_source(
    choice: str | Sequence[str],
    specs: Sequence[EnergyBackendSpec],
    options: Mapping[str, BackendOptions],
) -> EnergyBackend:
    sources: list[EnergyBackend] = [_target(spec)(options[spec.name]) for spec in specs]
    if len(sources) == 1:
        return sources[0]
    parts = [
        Part(spec.name, source, EnergyScope(spec.scope), spec.kinds)
        for spec, source in zip(specs, sources, strict=True)
    ]
    automatic = names_of(choice) == (AUTO,)
    # Who names an estimate beside counters wants it where they may not be read.
    unreadable = automatic or any(spec.name == ESTIMATE for spec in specs)
    return CompositeBackend(parts, Leniency(unreadable=unreadable, failed=automatic))


def _target(spec: ComponentSpec) -> Any:
    missing = missing_requirements(spec)
    if missing:
        raise BackendError(
            f"backend {spec.name!r} needs {', '.join(missing)}, which is not installed here",
            hint=spec.install_hint or f"install {', '.join(missing)}",
        )
    return _import(spec, spec.target)


def _import(spec: ComponentSpec, target: str) -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BackendError(
            f"backend {spec.name!r} cannot be imported from {target}: {error}",
            hint=spec.install_hint or None,
        ) from error
