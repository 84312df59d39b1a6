"""Whether an energy source works on this machine: told by reading it once, in the doctor's words.

ok          it gives joules here; which, and by what method
not there   this machine does not have what it reads
warning     what it reads is there, or should be, and some of it gives no number
failed      it cannot be set up, raises or hangs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llenergymeasure.config.backend_spec import BackendOptions
from llenergymeasure.config.energy_choice import AUTO, NONE
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.domain.energy import DomainReading, EnergyReading
from llenergymeasure.exceptions import (
    ConfigurationError,
    EnergyDevicesError,
    LLEnergyMeasureError,
)
from llenergymeasure.orchestration.factory import create_energy_source, energy_specs
from llenergymeasure.orchestration.machine.checks import CheckState
from llenergymeasure.orchestration.machine.energy_probe import probe_source

# A source that works is set up and read within 3 s.
TRIAL_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class SourceTrial:
    """How an energy source came out when it was tried.

    Attributes:
        detail: What it reads here, or why it does not.
        hint: What to do about it.
    """

    name: str
    state: CheckState
    detail: str
    hint: str | None = None


# By name and options: the configs of a grid share their sources.
KnownTrials = dict[tuple[str, BackendOptions], SourceTrial]


def try_chosen_sources(config: ExperimentConfig, tried: KnownTrials) -> tuple[SourceTrial, ...]:
    """How each source that a config's ``energy.backend`` means comes out, best first.

    Args:
        config: Names the sources and their options.
        tried: Sources that were tried already; those that are tried now are added.

    Raises:
        EnergyDevicesError: A device that the config names is not there.
    """
    energy = config.energy
    found = []
    for spec in energy_specs(energy.backend):
        options = energy.options_of(spec.name)
        key = spec.name, options
        if key not in tried:
            tried[key] = try_source(spec.name, options)
        found.append(tried[key])
    return tuple(found)


def try_automatic_sources() -> list[SourceTrial]:
    """How each installed source that ``energy.backend: auto`` takes comes out, best first."""
    return [try_source(spec.name) for spec in energy_specs(AUTO) if spec.name != NONE]


def try_source(
    name: str, options: BackendOptions | None = None, timeout_s: float = TRIAL_TIMEOUT_S
) -> SourceTrial:
    """Read one source for a moment.

    Args:
        name: Of the source.
        options: The model of its section; None takes the defaults.
        timeout_s: How long it may take.

    Raises:
        EnergyDevicesError: A device that the options name is not there.
        ConfigurationError: It cannot do without options, and none were given.
    """
    given = {} if options is None else options.model_dump(exclude_unset=True)
    try:
        reading = probe_source(lambda: create_energy_source(name, given)[1], name, timeout_s)
        return judge_trial(name, reading)
    except (ConfigurationError, EnergyDevicesError):
        raise
    except LLEnergyMeasureError as error:
        return SourceTrial(name, CheckState.FAILED, error.message, error.hint)


def judge_trial(name: str, reading: EnergyReading) -> SourceTrial:
    """What a short reading says of its source."""
    read = [domain for domain in reading.domains if domain.joules is not None]
    lost = [d for d in reading.domains if d.joules is None and d.expected and d.counted]
    if lost:
        return SourceTrial(name, CheckState.WARNING, *explain_loss(lost))
    if read or not reading.domains:
        return SourceTrial(name, CheckState.OK, _list_domains(read) or "reads nothing, by choice")
    reasons = dict.fromkeys(domain.reason or "no reason given" for domain in reading.domains)
    return SourceTrial(name, CheckState.ABSENT, "; ".join(reasons))


def explain_loss(domains: Sequence[DomainReading]) -> tuple[str, str | None]:
    """Why domains have no number, and what to do about it."""
    names = ", ".join(domain.name for domain in domains)
    reasons = "; ".join(dict.fromkeys(domain.reason or "no reason given" for domain in domains))
    hints = [f.detail for d in domains for f in d.findings if f.detail not in reasons]
    return f"no number of {names}: {reasons}", "; ".join(dict.fromkeys(hints)) or None


def _list_domains(domains: Sequence[DomainReading]) -> str:
    """``gpu:0, gpu:1 by counter; cpu by estimate``."""
    methods = dict.fromkeys(domain.method for domain in domains if domain.method is not None)
    return "; ".join(
        f"{', '.join(d.name for d in domains if d.method is method)} {method.value}"
        for method in methods
    )
