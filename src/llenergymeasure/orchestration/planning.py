"""What a run would be: everything that can be checked before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from llenergymeasure.config.backend_detection import missing_requirements
from llenergymeasure.config.backend_spec import BackendSpec, ComponentSpec
from llenergymeasure.config.loader import LoadedConfig
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.problems.origins import name_origins
from llenergymeasure.config.registry import inference_backend
from llenergymeasure.core.model_loader import check_model
from llenergymeasure.core.prompts import load_prompts
from llenergymeasure.domain.experiment import PromptsInfo
from llenergymeasure.durable import check_folder
from llenergymeasure.exceptions import BackendError, ConfigurationError
from llenergymeasure.orchestration.factory import energy_specs, look_ahead
from llenergymeasure.orchestration.machine.source_trial import (
    KnownTrials,
    SourceTrial,
    try_chosen_sources,
)


@dataclass(frozen=True)
class RunOptions:
    """Where files go, and what to do around the run.

    Attributes:
        results_dir: Folder of the results.
        state_dir: Folder of the states.
        aggregate: Aggregate at the end.
        fresh: Do not name unfinished runs of the same config.
    """

    results_dir: Path
    state_dir: Path
    aggregate: bool = True
    fresh: bool = False


@dataclass(frozen=True)
class RunPlan:
    """What would be run, as far as it can be known without loading a model.

    Attributes:
        energy_backend: The energy sources that would be set up, as ``nvml+rapl``.
        notes: What a person should know before the run, by the engine.
        sources: What each of them gives on this machine; empty where they were not tried.
    """

    config: ExperimentConfig
    prompts: PromptsInfo
    results_dir: Path
    energy_backend: str
    cycles: int
    requests_per_cycle: int
    notes: tuple[str, ...] = ()
    sources: tuple[SourceTrial, ...] = ()


def rehearse(
    loaded: LoadedConfig, options: RunOptions, tried: KnownTrials | None = None
) -> RunPlan:
    """As ``plan``, and each energy source is read for a moment, as only the run itself does.

    Args:
        loaded: What would be run.
        options: Where its files would go.
        tried: Sources that were tried already; those that are tried now are added.

    Raises:
        LLEnergyMeasureError: As ``plan``; also where a device that the config names is not there.
    """
    planned = plan(loaded, options)
    with name_origins(loaded.origins_in):
        trials = try_chosen_sources(loaded.config, {} if tried is None else tried)
    return replace(planned, sources=trials)


def plan(loaded: LoadedConfig, options: RunOptions) -> RunPlan:
    """Check all that can be checked without loading a model or writing a file.

    Raises:
        ConfigurationError: The prompts cannot be read, or the model's folder is not there; or the
            engine sees that the run could not give an answer.
        BackendError: What the engine needs is not installed.
        HubUnreachableError: The hub is switched off, and model or dataset are not in the cache.
        StorageError: The folders of results or states cannot be written.
    """
    with name_origins(loaded.origins_in):
        return _plan(loaded, options)


def _plan(loaded: LoadedConfig, options: RunOptions) -> RunPlan:
    config = loaded.config
    _check_backend(config, inference_backend(config.backend))
    sources = energy_specs(config.energy.backend)
    for source in sources:
        _check_installed(source)
    check_folder(options.results_dir, "choose another folder with --results-dir")
    check_folder(options.state_dir, "set LLM_ENERGY_STATE_DIR to a folder that you may write")
    texts, prompts = load_prompts(config.prompts, config.num_prompts, base_dir=loaded.base_dir)
    return RunPlan(
        config=config,
        prompts=prompts,
        results_dir=options.results_dir,
        energy_backend="+".join(source.name for source in sources),
        cycles=config.num_cycles,
        requests_per_cycle=len(texts),
        notes=look_ahead(config, texts),
    )


def _check_installed(spec: ComponentSpec) -> None:
    missing = missing_requirements(spec)
    if missing:
        raise BackendError(
            f"backend {spec.name!r} needs {', '.join(missing)}, which is not installed here",
            hint=spec.install_hint or None,
        )


def _check_backend(config: ExperimentConfig, spec: BackendSpec) -> None:
    _check_installed(spec)
    offered = {
        "device": (config.device, spec.capabilities.devices),
        "load_format": (config.load_format, spec.capabilities.load_formats),
    }
    for key, (value, values) in offered.items():
        if value not in values:
            raise ConfigurationError(
                f"{key} {value!r} is not offered by backend {spec.name!r}",
                hint=f"it offers: {', '.join(values)}",
            )
    if spec.capabilities.hugging_face_models:
        check_model(config.model_name, config.revision, weights=config.load_format != "dummy")
    elif config.trust_remote_code:
        raise ConfigurationError(
            f"trust_remote_code is set, but backend {spec.name!r} runs no code of models",
            hint="remove 'trust_remote_code'",
        )
