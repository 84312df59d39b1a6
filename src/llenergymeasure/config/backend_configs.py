"""Tier 2: the options that only one backend understands, and the specs of the built-ins."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from llenergymeasure.config.backend_spec import (
    BackendOptions,
    BackendSpec,
    Capabilities,
    EnergyBackendSpec,
)

_INFERENCE = "llenergymeasure.core.inference_backends"
_ENERGY = "llenergymeasure.core.energy_backends"


def _name_of_index(value: object) -> object:
    """An index is a name too: ``devices: [0, 1]``."""
    is_index = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_index else value


def _check_country(value: str) -> str:
    if re.fullmatch(_COUNTRY, value) is None:
        raise ValueError(
            f"found {value!r}, must be a country's three capital letters (ISO 3166-1), such as DEU"
        )
    return value


_COUNTRY = "[A-Z]{3}"
CountryCode = Annotated[
    str,
    AfterValidator(_check_country),
    WithJsonSchema({"type": "string", "pattern": f"^{_COUNTRY}$"}),
]
GpuName = Annotated[str, BeforeValidator(_name_of_index, json_schema_input_type=str | int)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PyTorchConfig(BackendOptions):
    """Options of the PyTorch backend."""

    batch_size: int = Field(1, ge=1, description="Requests in one static batch.")


class EchoConfig(BackendOptions):
    """Script of the echo backend: an engine whose every delay, length and failure is known.

    It needs no model. Tokens of a prompt are its whitespace-separated words.
    """

    batch_size: int = Field(1, ge=1, description="Requests in one static batch.")
    streaming: bool = Field(False, description="Report a time for each token.")
    load_s: NonNegative = Field(0.0, description="Seconds that loading takes.")
    prefill_s: NonNegative = Field(0.0, description="Seconds before a batch's first token.")
    per_token_s: NonNegative = Field(0.0, description="Seconds for each token of a batch.")
    output_tokens: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        min_length=1,
        strict=False,
        description="Tokens to generate before end-of-sequence, used in turn by request id; "
        "null generates max_output_tokens and no end-of-sequence.",
    )
    slow_calls_s: tuple[NonNegative, ...] = Field(
        (),
        strict=False,
        description="Extra seconds of the first, second, ... call of the engine, as of a cold "
        "start.",
    )
    fail_requests: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (), strict=False, description="Request ids that fail."
    )
    fail_load: bool = Field(False, description="Fail while loading.")
    fail_generate: bool = Field(False, description="Fail as a whole while generating.")
    die_after_requests: int | None = Field(
        None, ge=0, description="Kill its own process (SIGKILL) after that many requests."
    )


class CurveSegment(BackendOptions):
    """A closed-form power curve P(t) in W, t in s since the first window's start."""

    shape: Literal["constant", "square", "ramp"] = Field("constant", description="Form of P(t).")
    power_w: NonNegative = Field(100.0, description="Power; of a square wave its high level.")
    low_w: NonNegative = Field(0.0, description="Low level of a square wave.")
    period_s: float = Field(1.0, gt=0, allow_inf_nan=False, description="Period of a square wave.")
    duty: float = Field(0.5, ge=0, le=1, description="Share of the period at the high level.")
    slope_w_per_s: NonNegative = Field(0.0, description="Slope of a ramp that starts at power_w.")


class ReplayConfig(BackendOptions):
    """Where replayed joules come from: exactly one of a recording or a curve."""

    path: str | None = Field(
        None, description="CSV with the columns t_s,power_w; linear between its points."
    )
    curve: CurveSegment | None = Field(None, description="A closed-form curve.")
    domain: str = Field("gpu", min_length=1, description="Name of the domain that is replayed.")
    scope: Literal["device", "machine"] = Field("machine", description="Scope of the reading.")

    @model_validator(mode="after")
    def _one_source(self) -> ReplayConfig:
        if (self.path is None) == (self.curve is None):
            raise ValueError("give exactly one of 'path' and 'curve'")
        return self


class CodeCarbonConfig(BackendOptions):
    """Options of CodeCarbon."""

    country_iso_code: CountryCode | None = Field(
        None,
        description="Three-letter country of the grid, for emissions; null leaves emissions null.",
    )


class NvmlConfig(BackendOptions):
    """Options of the NVML source."""

    devices: tuple[GpuName, ...] | None = Field(
        None,
        min_length=1,
        strict=False,
        description="GPUs by NVML index, UUID (or its beginning), MIG UUID or PCI bus id; null "
        "measures those that CUDA_VISIBLE_DEVICES shows.",
    )
    interval_ms: float | None = Field(
        None,
        ge=1,
        le=500,
        allow_inf_nan=False,
        description="Milliseconds between two readings of power within the window; null follows "
        "the sensor's own updates.",
    )


class RaplConfig(BackendOptions):
    """Options of the RAPL source."""

    root: str | None = Field(
        None,
        min_length=1,
        description="Powercap folder; null is LEM_POWERCAP_ROOT, else /sys/class/powercap.",
    )
    interval_ms: float = Field(
        100.0,
        ge=1,
        le=60_000,
        allow_inf_nan=False,
        description="Milliseconds between two readings within the window; shorter where a counter "
        "could wrap unseen or timeseries.sample_interval_ms is shorter.",
    )


class EstimateConfig(BackendOptions):
    """Options of the estimate."""

    cpu_tdp_w: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Thermal design power of all CPU packages together, in W; null looks the "
        "model up.",
    )
    ram_w_per_gib: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Watts for each GiB of memory installed; null is 3 W for each 8 GiB up to "
        "64 GiB, and 5 W for each 64 GiB beyond.",
    )
    interval_ms: float = Field(
        1000.0,
        ge=1,
        le=60_000,
        allow_inf_nan=False,
        description="Milliseconds between two looks at the process tree; shorter where "
        "timeseries.sample_interval_ms is.",
    )


class ZeusConfig(BackendOptions):
    """Options of Zeus."""

    devices: tuple[int, ...] | None = Field(
        None,
        min_length=1,
        strict=False,
        description="GPUs by Zeus' own index; null measures all that it sees.",
    )


class AmdSmiConfig(BackendOptions):
    """Options of the AMD SMI source."""

    devices: tuple[GpuName, ...] | None = Field(
        None,
        min_length=1,
        strict=False,
        description="GPUs by index, UUID or PCI bus id; null measures all that are visible.",
    )
    interval_ms: float | None = Field(
        None,
        ge=1,
        le=500,
        allow_inf_nan=False,
        description="Milliseconds between two readings; null follows the sensor's own updates.",
    )


PYTORCH = BackendSpec(
    name="pytorch",
    target=f"{_INFERENCE}.pytorch.backend:PyTorchBackend",
    preflight=f"{_INFERENCE}.pytorch.preflight:look_ahead",
    options=PyTorchConfig,
    requires=("torch", "transformers"),
    description="Hugging Face transformers on PyTorch, static batches.",
    install_hint="pip install 'torch>=2.6,<2.14' 'transformers>=5.0,<5.24'",
    capabilities=Capabilities(
        devices=("auto", "cuda", "mps", "cpu"),
        load_formats=("auto", "dummy"),
        hugging_face_models=True,
    ),
)

ECHO = BackendSpec(
    name="echo",
    target=f"{_INFERENCE}.echo:EchoBackend",
    options=EchoConfig,
    description="A scripted stand-in without a model, for trying things out and for tests.",
    # It has no model: nothing of it can be chosen.
    capabilities=Capabilities(
        streaming=True,
        unused_keys=("device", "dtype", "seed", "revision", "decoder", "load_format"),
    ),
)

CODECARBON = EnergyBackendSpec(
    name="codecarbon",
    target=f"{_ENERGY}.codecarbon.backend:CodeCarbonBackend",
    options=CodeCarbonConfig,
    requires=("codecarbon",),
    description="CodeCarbon, offline: counters where it finds them, else estimates; emissions.",
    install_hint="pip install 'codecarbon>=3.3,<3.4'",
    kinds=("cpu", "ram", "gpu"),
)

NVML = EnergyBackendSpec(
    name="nvml",
    target=f"{_ENERGY}.nvml.backend:NvmlBackend",
    options=NvmlConfig,
    requires=("pynvml",),
    description="NVIDIA GPUs by their energy counter, checked against power; nothing else.",
    install_hint="pip install 'nvidia-ml-py>=12.535,<13.616'",
    scope="device",
    kinds=("gpu",),
    auto_rank=10,
)

ZEUS = EnergyBackendSpec(
    name="zeus",
    target=f"{_ENERGY}.zeus.backend:ZeusBackend",
    options=ZeusConfig,
    requires=("zeus",),
    description="GPUs by Zeus: a check for another source, without an interval.",
    install_hint="pip install 'zeus>=0.16,<0.17'",
    optional=True,
    scope="device",
    kinds=("gpu",),
)

AMDSMI = EnergyBackendSpec(
    name="amdsmi",
    target=f"{_ENERGY}.amdsmi.backend:AmdSmiBackend",
    options=AmdSmiConfig,
    requires=("amdsmi",),
    description="AMD GPUs by their energy counter; not seen on a real GPU, only in a replay.",
    install_hint="pip install /opt/rocm/share/amd_smi, which ROCm brings along",
    optional=True,
    scope="device",
    kinds=("gpu",),
)

RAPL = EnergyBackendSpec(
    name="rapl",
    target=f"{_ENERGY}.rapl.backend:RaplBackend",
    options=RaplConfig,
    description="CPU packages and memory by the CPU's own energy counters (powercap).",
    kinds=("cpu", "ram"),
    auto_rank=20,
)

ESTIMATE = EnergyBackendSpec(
    name="estimate",
    target=f"{_ENERGY}.estimate.backend:EstimateBackend",
    options=EstimateConfig,
    requires=("psutil",),
    description="CPU time of the measured processes x TDP, and a constant for memory: a model.",
    install_hint="pip install 'psutil>=7.0,<8'",
    kinds=("cpu", "ram"),
    auto_rank=50,
    measures=False,
)

REPLAY = EnergyBackendSpec(
    name="replay",
    target=f"{_ENERGY}.replay.backend:ReplayBackend",
    options=ReplayConfig,
    description="Joules from a recorded or closed-form power curve, not from this machine.",
    measures=False,
)

NONE = EnergyBackendSpec(
    name="none",
    target=f"{_ENERGY}.none:NoEnergyBackend",
    description="No energy measurement; joules are null.",
    measures=False,
)
