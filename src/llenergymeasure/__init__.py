"""The measuring instrument for LLM inference: energy, throughput, latency, and a verdict.

    import llenergymeasure

    result = llenergymeasure.run_experiment("experiment.yaml")
    print(result.metrics.energy.total_j, result.validity.status)

Names are imported when they are first used (PEP 562): importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from llenergymeasure.config.loader import load_config
    from llenergymeasure.config.models import ExperimentConfig
    from llenergymeasure.config.resolve import LoadedConfig
    from llenergymeasure.domain.experiment import AggregatedResult, RawProcessResult
    from llenergymeasure.exceptions import LLEnergyMeasureError
    from llenergymeasure.orchestration.metering.meter import EnergyMeter

    __version__: str

__all__ = [
    "AggregatedResult",
    "EnergyMeter",
    "ExperimentConfig",
    "LLEnergyMeasureError",
    "RawProcessResult",
    "__version__",
    "load_config",
    "run_experiment",
]

_HOMES = {
    "AggregatedResult": "llenergymeasure.domain.experiment",
    "EnergyMeter": "llenergymeasure.orchestration.metering.meter",
    "ExperimentConfig": "llenergymeasure.config.models",
    "LLEnergyMeasureError": "llenergymeasure.exceptions",
    "RawProcessResult": "llenergymeasure.domain.experiment",
    "load_config": "llenergymeasure.config.loader",
}


def run_experiment(
    config: ExperimentConfig | Mapping[str, Any] | str | PathLike[str],
    *,
    results_dir: str | PathLike[str] | None = None,
) -> AggregatedResult:
    """Run an experiment, save its results, and return the aggregate.

    The model runs in a process of its own, as with ``lem experiment``; nothing is printed.

    Example:
        >>> config = {"config_name": "first", "model_name": "none", "backend": "echo"}
        >>> result = run_experiment({**config, "num_prompts": 2, "max_output_tokens": 4})
        >>> result.metrics.inference.output_tokens
        8

    Args:
        config: A config, a mapping of the keys of a config file, or the path of one.
        results_dir: Where results go; by default as the config, then the environment says.

    Raises:
        ConfigurationError: The input is wrong; the message lists every problem.
        RunError: The run failed; finished cycles are kept and the hint says how to go on.
        ExperimentInterruptedError: Ctrl-C or SIGTERM.
    """
    from llenergymeasure.config.runtime_env import results_dir as chosen_results_dir
    from llenergymeasure.config.runtime_env import state_dir
    from llenergymeasure.orchestration.planning import RunOptions
    from llenergymeasure.orchestration.runner import run
    from llenergymeasure.progress import SilentObserver

    loaded = _require_config(config)
    option = None if results_dir is None else str(results_dir)
    options = RunOptions(
        results_dir=chosen_results_dir(option=option, config=loaded.config.io.results_dir),
        state_dir=state_dir(),
    )
    result = run(loaded, options, SilentObserver()).result
    assert result is not None, "run aggregates unless it is told not to"
    return result


def _require_config(config: Any) -> LoadedConfig:
    from collections.abc import Mapping

    from llenergymeasure.config.loader import from_mapping, load
    from llenergymeasure.config.models import ExperimentConfig
    from llenergymeasure.config.resolve import LoadedConfig

    if isinstance(config, ExperimentConfig):
        return LoadedConfig(config)
    return from_mapping(config) if isinstance(config, Mapping) else load(config)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("llenergymeasure")
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
