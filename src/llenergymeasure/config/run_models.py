"""What happens around the measured window: the idle baseline and the warm-up."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WarmupConfig(_Section):
    """What runs before the measured window.

    An iteration is one batch of the longest prompts, always the same ones, so that its times can
    be compared.
    """

    enabled: bool = Field(True, description="false: no warm-up, the first batch is cold.")
    prompts: int | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Fixed number of prompts, instead of waiting until times converge; 0 is none.",
    )
    convergence_detection: bool = Field(
        True,
        description="Go on until batch times converge; false: as many prompts as warmup.prompts, "
        "or "
        "max_prompts if that is null.",
    )
    cv_threshold: float = Field(
        0.05,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Converged when standard deviation / mean of the last batch times is below "
        "this.",
    )
    window_size: int = Field(5, ge=3, le=20, description="Number of last batch times to compare.")
    min_prompts: int = Field(5, ge=1, le=200, description="Warm-up batches (not prompts) at least.")
    max_prompts: int = Field(
        50,
        ge=1,
        le=200,
        description="Warm-up batches (not prompts) at most; see convergence_detection.",
    )
    max_duration_s: float = Field(
        120.0,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="Seconds at most, with the wait for a steady temperature.",
    )

    @model_validator(mode="after")
    def _bounds_fit(self) -> WarmupConfig:
        if self.converging and self.least > self.max_prompts:
            raise ValueError(
                f"max_prompts ({self.max_prompts}) is below the {self.least} batches that "
                "min_prompts and window_size ask for"
            )
        return self

    @property
    def converging(self) -> bool:
        """Whether the warm-up goes on until times converge."""
        return self.enabled and self.prompts is None and self.convergence_detection

    @property
    def least(self) -> int:
        """Iterations before convergence is looked for."""
        return max(self.min_prompts, self.window_size)

    @property
    def fixed_prompts(self) -> int:
        """Prompts of a warm-up that does not wait for convergence; 0 is none."""
        if not self.enabled:
            return 0
        return self.max_prompts if self.prompts is None else self.prompts


class BaselineConfig(_Section):
    """Idle power, measured before the run and taken off in ``marginal_j``."""

    enabled: bool = Field(True, description="Measure idle power where energy is measured.")
    required: bool = Field(False, description="Fail where there is no idle baseline.")
    level: Literal["bare", "context", "loaded"] = Field(
        "bare",
        description="State of the device while idle power is measured: bare, before lem uses it; "
        "context, with the engine's context; loaded, with the model in memory.",
    )
    duration_s: float = Field(
        30.0, ge=5, le=120, allow_inf_nan=False, description="Length of the idle time."
    )
    cache_ttl_s: float = Field(
        3600.0,
        ge=60,
        allow_inf_nan=False,
        description="How long a baseline of this machine, device and level is used again, if a "
        "short check agrees with it.",
    )

    @model_validator(mode="after")
    def _check_required_is_enabled(self) -> BaselineConfig:
        if self.required and not self.enabled:
            raise ValueError("required is true, but enabled is false: no baseline is measured")
        return self
