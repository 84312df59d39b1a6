"""Tier 1: what every engine understands. Each field here has an effect on a run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from llenergymeasure.config.backend_spec import BackendOptions
from llenergymeasure.config.energy_choice import AUTO, EnergyChoice, names_of
from llenergymeasure.config.prompt_models import PromptsConfig as PromptsConfig
from llenergymeasure.config.prompt_models import check_prompts, with_synthetic_lengths
from llenergymeasure.config.registry import auto_energy_backends, energy_backend, inference_backend
from llenergymeasure.config.run_models import BaselineConfig as BaselineConfig
from llenergymeasure.config.run_models import WarmupConfig as WarmupConfig
from llenergymeasure.constants import DEFAULT_BACKEND

DecoderPreset = Literal["deterministic", "standard", "creative", "factual"]

DECODER_PRESETS: dict[str, dict[str, Any]] = {
    "deterministic": {"temperature": 0.0, "do_sample": False},
    "standard": {"temperature": 1.0, "top_p": 0.95},
    "creative": {"temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.1},
    "factual": {"temperature": 0.3},
}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DecoderConfig(_Section):
    """How the next token is chosen. Explicit values win over the preset."""

    preset: DecoderPreset | None = Field(
        None, description="A named set of decoder values; see docs/configuration.md."
    )
    temperature: float = Field(1.0, ge=0, le=2, allow_inf_nan=False, description="0 is greedy.")
    top_k: int = Field(50, ge=0, description="0 turns it off.")
    top_p: float = Field(1.0, gt=0, le=1, allow_inf_nan=False, description="1 turns it off.")
    repetition_penalty: float = Field(
        1.0, ge=0.1, le=10, allow_inf_nan=False, description="1 turns it off."
    )
    do_sample: bool = Field(True, description="false is greedy.")

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("preset"), str):
            return {**DECODER_PRESETS.get(data["preset"], {}), **data}
        return data

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return not self.do_sample or self.temperature == 0


class EnergyConfig(_Section):
    """Which source the joules come from; its options stand in a section of its name."""

    backend: EnergyChoice = Field(
        AUTO,
        description="auto: for each domain the first that works of the sources that lem backends "
        "names for it; none; a source's name; or a list of names, best first.",
    )

    def options_of(self, name: str) -> BackendOptions:
        """The validated options of the energy backend ``name`` (its defaults if not given)."""
        section = getattr(self, name, None)
        return section if isinstance(section, BackendOptions) else energy_backend(name).options()


class TimeseriesConfig(_Section):
    """What an energy source samples within the window, as a file beside the raw result."""

    enabled: bool = Field(
        True,
        description="Sample every sample_interval_ms; false: only as joules need it, and no file.",
    )
    save: bool = Field(
        True,
        description="Keep the samples as Parquet; false: sample as often, write no file.",
    )
    sample_interval_ms: float = Field(
        100.0,
        ge=50,
        le=5000,
        allow_inf_nan=False,
        description="Milliseconds between two samples; a sensor may be slower.",
    )

    @property
    def kept(self) -> bool:
        """Whether a time series is kept."""
        return self.enabled and self.save


class IOConfig(_Section):
    """Where results go."""

    results_dir: str | None = Field(None, min_length=1, description="Folder of the results.")


class ExperimentConfig(_Section):
    """A validated experiment. The chosen backend's options stand in a section of its name."""

    config_name: str = Field(min_length=1, max_length=200, description="A name for people.")
    model_name: str = Field(
        min_length=1, description="Local directory, hub id, or builtin:tiny-llama."
    )
    revision: str | None = Field(None, min_length=1, description="Branch, tag or commit.")
    backend: str = Field(DEFAULT_BACKEND, min_length=1, description="The inference engine.")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        "auto", description="Where the model runs."
    )
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="auto: the checkpoint's own on an accelerator, float32 on a CPU."
    )
    load_format: Literal["auto", "dummy"] = Field(
        "auto",
        description="dummy: random weights in the model's architecture; of a hub model only "
        "config and tokenizer are downloaded.",
    )
    trust_remote_code: bool = Field(
        False,
        description="Run Python code that comes with the model. It can do whatever you can.",
    )
    seed: int = Field(
        42,
        ge=0,
        lt=2**32,
        description="Seed of sampled tokens and of dummy weights; prompts have prompts.seed.",
    )
    num_prompts: int | None = Field(
        None, ge=1, description="Number of prompts, taken from the start; null takes all."
    )
    prompts: PromptsConfig = Field(default_factory=PromptsConfig)
    max_input_tokens: int | None = Field(
        512, ge=1, description="Longer prompts are truncated; null leaves them whole."
    )
    max_output_tokens: int = Field(128, ge=1, description="Generated tokens at most.")
    min_output_tokens: int = Field(0, ge=0, description="Generated tokens at least.")
    decoder: DecoderConfig = Field(default_factory=DecoderConfig)
    num_cycles: int = Field(
        1, ge=1, le=1000, description="Number of cycles: each runs all prompts."
    )
    min_duration_s: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Least length of the measured window of each cycle; a shorter one makes the "
        "result invalid.",
    )
    baseline: BaselineConfig = Field(default_factory=BaselineConfig)
    warmup: WarmupConfig = Field(default_factory=WarmupConfig)
    energy: EnergyConfig = Field(default_factory=EnergyConfig)
    timeseries: TimeseriesConfig = Field(default_factory=TimeseriesConfig)
    io: IOConfig = Field(default_factory=IOConfig)
    extra_metadata: dict[str, str | int | float | bool | None] = Field(
        default_factory=dict, description="Labels of your own, stored and exported with the result."
    )

    @model_validator(mode="before")
    @classmethod
    def _reach_synthetic_lengths(cls, data: Any) -> Any:
        return with_synthetic_lengths(data)

    @model_validator(mode="after")
    def _prompts_fit(self) -> ExperimentConfig:
        limits = {
            "max_input_tokens": self.max_input_tokens,
            "max_output_tokens": self.max_output_tokens,
            "min_output_tokens": self.min_output_tokens,
        }
        check_prompts(self.prompts, self.num_prompts, limits)
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> ExperimentConfig:
        if self.min_output_tokens > self.max_output_tokens:
            raise ValueError(
                f"min_output_tokens ({self.min_output_tokens}) is above max_output_tokens "
                f"({self.max_output_tokens})"
            )
        return self

    @property
    def backend_options(self) -> BackendOptions:
        """The validated section of the chosen backend."""
        section = getattr(self, self.backend)
        assert isinstance(section, BackendOptions)
        return section


def _has_default(options: type[BackendOptions]) -> bool:
    try:
        options()
    except ValidationError:
        return False
    return True


def _with_sections(base: type[_Section], sections: dict[str, type[BackendOptions]]) -> Any:
    fields: dict[str, Any] = {}
    for name, options in sections.items():
        fields[name] = (
            (options, Field(default_factory=options)) if _has_default(options) else (options, ...)
        )
    return create_model(base.__name__, __base__=base, __module__=base.__module__, **fields)


def config_model(backend: str, energy: str | Sequence[str] = AUTO) -> type[ExperimentConfig]:
    """The config model for a backend and a choice of energy backends, with their sections in it.

    Raises:
        UnknownBackendError: One of the names is not registered.
    """
    return _config_model(backend, names_of(energy))


@cache
def _config_model(backend: str, energy: tuple[str, ...]) -> type[ExperimentConfig]:
    spec = inference_backend(backend)
    candidates = auto_energy_backends() if energy == (AUTO,) else map(energy_backend, energy)
    energy_sections = {candidate.name: candidate.options for candidate in candidates}
    energy_model = _with_sections(EnergyConfig, energy_sections)
    model = _with_sections(ExperimentConfig, {spec.name: spec.options})
    extended = create_model(
        ExperimentConfig.__name__,
        __base__=model,
        __module__=ExperimentConfig.__module__,
        energy=(energy_model, Field(default_factory=energy_model)),
    )
    return cast("type[ExperimentConfig]", extended)
