"""Which backends exist: the entry points of our own package and of plug-ins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from llenergymeasure.config.backend_spec import BackendSpec, ComponentSpec, EnergyBackendSpec
from llenergymeasure.config.problems.nearest import did_you_mean
from llenergymeasure.constants import ENERGY_BACKENDS_GROUP, INFERENCE_BACKENDS_GROUP
from llenergymeasure.exceptions import UnknownBackendError

S = TypeVar("S", bound=ComponentSpec)


@dataclass(frozen=True)
class BrokenEntry:
    """An entry point that could not be used, and why."""

    name: str
    value: str
    distribution: str
    error: str


@dataclass(frozen=True)
class Registered:
    """A usable spec and the distribution that registered it."""

    spec: ComponentSpec
    distribution: str
    version: str


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "unknown")


def _load(point: EntryPoint, kind: type[ComponentSpec]) -> Registered | BrokenEntry:
    name, version = _distribution(point)
    try:
        spec = point.load()
    except Exception as error:  # noqa: BLE001 - a plug-in's module may raise anything
        return BrokenEntry(point.name, point.value, name, f"{type(error).__name__}: {error}")
    if not isinstance(spec, kind):
        found = type(spec).__name__
        return BrokenEntry(point.name, point.value, name, f"it is a {found}, not a {kind.__name__}")
    if spec.name != point.name:
        return BrokenEntry(point.name, point.value, name, f"the spec calls itself {spec.name!r}")
    return Registered(spec, name, version)


@cache
def list_registered(group: str) -> dict[str, Registered | BrokenEntry]:
    """All entries of a group by name, sorted; broken ones included, so that they can be shown."""
    kind: type[ComponentSpec] = (
        BackendSpec if group == INFERENCE_BACKENDS_GROUP else EnergyBackendSpec
    )
    points = sorted(entry_points(group=group), key=lambda p: p.name)
    return {point.name: _load(point, kind) for point in points}


def _find(group: str, name: str, what: str) -> ComponentSpec:
    entries = list_registered(group)
    entry = entries.get(name)
    if isinstance(entry, BrokenEntry):
        raise UnknownBackendError(
            f"{what} {name!r} is registered by {entry.distribution} but cannot be used: "
            f"{entry.error}",
            hint=f"repair or uninstall {entry.distribution}",
        )
    if entry is None:
        raise UnknownBackendError(
            f"there is no {what} {name!r}{did_you_mean(name, entries)}",
            hint=f"known: {', '.join(entries)}",
        )
    return entry.spec


def inference_backend(name: str) -> BackendSpec:
    """The spec of an inference backend.

    Raises:
        UnknownBackendError: No such name, or its registration is broken.
    """
    spec = _find(INFERENCE_BACKENDS_GROUP, name, "backend")
    assert isinstance(spec, BackendSpec)
    return spec


def energy_backend(name: str) -> EnergyBackendSpec:
    """The spec of an energy backend (see ``inference_backend``)."""
    spec = _find(ENERGY_BACKENDS_GROUP, name, "energy backend")
    assert isinstance(spec, EnergyBackendSpec)
    return spec


def usable(group: str) -> dict[str, ComponentSpec]:
    """The specs of a group that are not broken."""
    return {
        name: entry.spec
        for name, entry in list_registered(group).items()
        if isinstance(entry, Registered)
    }


def auto_energy_backends() -> list[EnergyBackendSpec]:
    """What ``energy.backend: auto`` takes, as far as it is installed, best first."""
    specs = [s for s in usable(ENERGY_BACKENDS_GROUP).values() if isinstance(s, EnergyBackendSpec)]
    ranked = [(s.auto_rank, s.name, s) for s in specs if s.auto_rank is not None]
    return [spec for _, _, spec in sorted(ranked, key=lambda item: item[:2])]
