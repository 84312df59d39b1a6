"""Which backends there are, and whether one keeps to its contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any, Literal

from pydantic import ValidationError

from llenergymeasure.config.backend_detection import missing_requirements
from llenergymeasure.config.energy_choice import AUTO, names_of
from llenergymeasure.config.models import ExperimentConfig, config_model
from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.config.registry import (
    BrokenEntry,
    Registered,
    inference_backend,
    list_registered,
)
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.constants import (
    DEFAULT_BACKEND,
    ENERGY_BACKENDS_GROUP,
    INFERENCE_BACKENDS_GROUP,
)
from llenergymeasure.exceptions import ConfigurationError, UnknownBackendError
from llenergymeasure.orchestration.machine.checks import CheckState
from llenergymeasure.orchestration.machine.source_trial import try_source

Kind = Literal["inference", "energy"]
State = Literal["installed", "ok", "not there", "warning", "failed", "missing", "broken"]

_HOW_TO_TRY = "name a config file that has them: lem backends --check {} --config FILE"

_STATES: dict[CheckState, State] = {
    CheckState.OK: "ok",
    CheckState.ABSENT: "not there",
    CheckState.WARNING: "warning",
    CheckState.FAILED: "failed",
}

_GROUPS: dict[Kind, str] = {
    "inference": INFERENCE_BACKENDS_GROUP,
    "energy": ENERGY_BACKENDS_GROUP,
}


@dataclass(frozen=True)
class BackendEntry:
    """One registered backend.

    Attributes:
        distribution: The package that registered it; ``version`` is that package's.
        engine: The libraries that it needs, with their versions where they are installed.
        automatic: An energy backend that is part of ``energy.backend: auto``.
        state: ``missing`` (an engine is not installed), ``broken`` (the registration), or
            ``installed``; of an energy source that was tried, how it came out (``CheckState``).
        here: What an energy source gives on this machine, where it was tried and does.
        optional: A plain installation does not have what it needs; that is no fault.
        reason: What is missing, or why it does not work here.
        hint: What to do about it.
    """

    kind: Kind
    name: str
    distribution: str
    version: str | None
    description: str
    state: State
    engine: dict[str, str | None]
    reason: str | None = None
    hint: str | None = None
    automatic: bool = False
    optional: bool = False
    here: str | None = None


@dataclass(frozen=True)
class BackendCheck:
    """One check of a conformance suite."""

    kind: Kind
    name: str
    passed: bool
    detail: str


def list_backends() -> list[BackendEntry]:
    """All registered backends, broken registrations included; no engine is imported."""
    return [
        _entry(kind, name, entry)
        for kind, group in _GROUPS.items()
        for name, entry in list_registered(group).items()
    ]


def try_energy_backends(entries: Sequence[BackendEntry]) -> list[BackendEntry]:
    """The entries, with what each installed energy source gives on this machine: some seconds."""
    return [
        _try_entry(entry) if (entry.kind, entry.state) == ("energy", "installed") else entry
        for entry in entries
    ]


def _try_entry(entry: BackendEntry) -> BackendEntry:
    try:
        trial = try_source(entry.name)
    except ConfigurationError:
        reason = "not tried: it cannot be made without options"
        return replace(entry, reason=reason, hint=_HOW_TO_TRY.format(entry.name))
    if trial.state is CheckState.OK:
        return replace(entry, state="ok", here=trial.detail)
    return replace(entry, state=_STATES[trial.state], reason=trial.detail, hint=trial.hint)


def check_backend(name: str, config: ExperimentConfig | None = None) -> list[BackendCheck]:
    """Put a backend through the conformance suite of its kind.

    Args:
        name: An inference or an energy backend (both, if both have that name), or several
            energy backends together: ``auto``, ``nvml,rapl``.
        config: Where the backend's options and the model are taken from.

    Raises:
        UnknownBackendError: No backend has that name.
        ConfigurationError: The backend cannot do without options, and none were given.
    """
    kinds = [kind for kind, group in _GROUPS.items() if name in list_registered(group)]
    if name == AUTO or len(names_of(name)) > 1:
        kinds = ["energy"]
    if not kinds:
        known = sorted({known for group in _GROUPS.values() for known in list_registered(group)})
        raise UnknownBackendError(
            f"there is no backend {name!r}{did_you_mean(name, known)}",
            hint=f"known: {', '.join(known)}",
        )
    checks: list[BackendCheck] = []
    if "inference" in kinds:
        checks += _check_inference(name, config)
    if "energy" in kinds:
        checks += _check_energy(name, config)
    return checks


def _entry(kind: Kind, name: str, entry: Registered | BrokenEntry) -> BackendEntry:
    if isinstance(entry, BrokenEntry):
        return BackendEntry(
            kind=kind,
            name=name,
            distribution=entry.distribution,
            version=None,
            description="",
            state="broken",
            engine={},
            reason=entry.error,
            hint=f"repair or uninstall {entry.distribution}",
        )
    missing = missing_requirements(entry.spec)
    return BackendEntry(
        kind=kind,
        name=name,
        distribution=entry.distribution,
        version=entry.version,
        description=entry.spec.description,
        state="missing" if missing else "installed",
        engine={module: _module_version(module) for module in entry.spec.requires},
        reason=f"not installed: {', '.join(missing)}" if missing else None,
        hint=(entry.spec.install_hint or f"install {', '.join(missing)}") if missing else None,
        automatic=getattr(entry.spec, "auto_rank", None) is not None,
        optional=entry.spec.optional,
    )


def _module_version(module: str) -> str | None:
    try:
        return version(module)
    except PackageNotFoundError:
        owners = packages_distributions().get(module.partition(".")[0])
        return version(owners[0]) if owners else None


def _check_inference(name: str, config: ExperimentConfig | None) -> list[BackendCheck]:
    from llenergymeasure.core.inference_backends.conformance.suite import (
        conformance_config,
        run_conformance,
    )
    from llenergymeasure.core.inference_backends.protocols import InferenceBackend
    from llenergymeasure.orchestration.factory import create_inference_backend

    inference_backend(name)
    given: dict[str, Any] = {}
    if config is not None and config.backend == name:
        options = config.backend_options.model_dump(exclude_unset=True)
        given = {"model_name": config.model_name, "options": options}

    def make(overrides: Mapping[str, Any]) -> InferenceBackend:
        return create_inference_backend(conformance_config(name, overrides, **given))

    try:
        conformance_config(name, {}, **given)
    except ValidationError as error:
        raise _needs_options("inference", name) from error
    return [BackendCheck("inference", r.name, r.passed, r.detail) for r in run_conformance(make)]


def _check_energy(choice: str, config: ExperimentConfig | None) -> list[BackendCheck]:
    from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
    from llenergymeasure.orchestration.factory import create_energy_backend

    chosen = _energy_config(choice, config)
    # A source that reads the machine works in a host's first process only.
    results = run_energy_conformance(lambda: create_energy_backend(chosen, Rank(0, 1, 0)))
    return [BackendCheck("energy", r.name, r.passed, r.detail) for r in results]


def _energy_config(choice: str, config: ExperimentConfig | None) -> ExperimentConfig:
    """A config of just these energy backends, with the options that ``config`` has for them."""
    from llenergymeasure.orchestration.factory import energy_specs

    energy: dict[str, Any] = {"backend": choice}
    asked = {spec.name for spec in energy_specs(choice)}
    if config is not None:
        for name in asked & {spec.name for spec in energy_specs(config.energy.backend)}:
            energy[name] = config.energy.options_of(name).model_dump(exclude_unset=True)
    data = {"config_name": "check", "model_name": "none", "energy": energy}
    try:
        # A config needs an engine, also where only its energy source is looked at.
        return config_model(DEFAULT_BACKEND, choice).model_validate(data)
    except ValidationError as error:
        raise _needs_options("energy", choice) from error


def _needs_options(kind: Kind, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{kind} backend {name!r} cannot be made without options",
        hint=_HOW_TO_TRY.format(name),
    )
