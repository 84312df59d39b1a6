"""What ``energy.backend: auto`` gives on this machine: domain by domain, from which source."""

from __future__ import annotations

from collections.abc import Iterator

from llenergymeasure.config.energy_choice import AUTO
from llenergymeasure.config.models import config_model
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.constants import DEFAULT_BACKEND
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyReading
from llenergymeasure.domain.resolution import EDGE_ERROR, resolution_of
from llenergymeasure.domain.validity import ValidityStatus, judge
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.orchestration.factory import create_energy_backend, energy_label
from llenergymeasure.orchestration.machine.checks import Check, CheckState
from llenergymeasure.orchestration.machine.energy_probe import PROBE_TIMEOUT_S, probe_source

_NAME = "energy source"


def try_energy_source(timeout_s: float = PROBE_TIMEOUT_S) -> list[Check]:
    """How the source that ``auto`` chooses here came out, and each of its domains."""
    config = config_model(DEFAULT_BACKEND).model_validate(
        {"config_name": "doctor", "model_name": "builtin:tiny-llama"}
    )
    name = energy_label(AUTO)
    if name == "none":
        hint = "lem backends lists them"
        return [Check(_NAME, CheckState.FAILED, "none is installed: joules would be null", hint)]
    try:
        reading = probe_source(
            lambda: create_energy_backend(config, Rank(0, 1, 0)), name, timeout_s
        )
    except LLEnergyMeasureError as error:
        return [Check(_NAME, CheckState.FAILED, f"{name}: {error.message}", error.hint)]
    return [judge_source(reading), *(_domain(domain) for domain in reading.domains)]


def judge_source(reading: EnergyReading) -> Check:
    """What a reading says about its source as a whole."""
    counted = [domain for domain in reading.domains if domain.counted]
    numbers = [domain for domain in counted if domain.joules is not None]
    missing = [domain.name for domain in counted if domain.expected and domain.joules is None]
    measured = [d.name for d in numbers if d.method is not EnergyMethod.ESTIMATED]
    detail = f"auto: {reading.backend}"
    if not numbers:
        hint = "joules would be null; see the domains below, or choose another energy.backend"
        return Check(_NAME, CheckState.FAILED, f"{detail}: no number", hint)
    if missing:
        detail = f"{detail}: no number of {', '.join(missing)}"
        return Check(_NAME, CheckState.WARNING, detail, "the total would be null")
    if not measured:
        return Check(_NAME, CheckState.WARNING, f"{detail}: nothing is measured here", _TO_MEASURE)
    return Check(_NAME, CheckState.OK, f"{detail}: {', '.join(measured)} measured")


_TO_MEASURE = (
    "joules will be called estimated; a readable energy counter would measure them: "
    "an NVIDIA GPU, or the CPU's own (RAPL)"
)


def _domain(domain: DomainReading) -> Check:
    name = f"energy of {domain.name}"
    better = "; ".join(reason.detail for reason in domain.instead_of) or None
    if domain.joules is None:
        # One that is shown beside the total and has no number is absent too.
        state = CheckState.WARNING if domain.expected and domain.counted else CheckState.ABSENT
        kind = "no number" if domain.expected else "none here"
        source = f" ({domain.source})" if domain.source else ""
        detail = f"{kind}: {domain.reason or 'no reason given'}{source}"
        hint = "; ".join(f.detail for f in domain.findings if f.detail != domain.reason) or better
        return Check(name, state, detail, hint, _facts(domain))
    # A sensor that is there and may not be read can be mended; one that is not cannot.
    mendable = judge(domain.instead_of).status is not ValidityStatus.VALID
    state = CheckState.WARNING if mendable else CheckState.OK
    return Check(name, state, ", ".join(_with_number(domain)), better, _facts(domain))


def _with_number(domain: DomainReading) -> Iterator[str]:
    assert domain.method is not None, "a number has a method"
    yield f"{domain.method.value} by {domain.source or 'its source'}"
    if not domain.counted:
        yield "shown, not added up: it holds other domains"
    found = resolution_of(domain)
    if found.update_ms is not None:
        yield f"updated every {found.update_ms:.3g} ms"
    if found.shortest_window_s is not None:
        yield f"{EDGE_ERROR:.0%} edge error from {found.shortest_window_s:.2g} s on"
    model_j = domain.uncertainty.model_j if domain.uncertainty else None
    if model_j is not None and domain.joules:
        yield f"may be off by {model_j / domain.joules:.0%}"


def _facts(domain: DomainReading) -> dict[str, object]:
    """The same for machines."""
    found = resolution_of(domain)
    return {
        "domain": domain.name,
        "source": domain.source,
        "method": domain.method,
        **found.model_dump(),
    }
