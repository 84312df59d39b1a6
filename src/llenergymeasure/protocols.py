"""What the author of a plug-in needs, in one place. Each name has its home elsewhere.

A plug-in registers a ``BackendSpec`` or an ``EnergyBackendSpec`` as an entry point (groups
``llenergymeasure.inference_backends`` and ``llenergymeasure.energy_backends``) and implements
``InferenceBackend`` or ``EnergyBackend``. Check it with ``lem backends --check NAME``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llenergymeasure.config.backend_spec import (
        BackendOptions,
        BackendSpec,
        Capabilities,
        EnergyBackendSpec,
    )
    from llenergymeasure.config.models import ExperimentConfig
    from llenergymeasure.core.energy_backends.base import EnergyBackend, EnergyBackendFactory
    from llenergymeasure.core.energy_backends.window_timer import WindowTimer
    from llenergymeasure.core.inference_backends.protocols import (
        InferenceBackend,
        InferenceBackendFactory,
    )
    from llenergymeasure.domain.energy import (
        DomainReading,
        EnergyMethod,
        EnergyReading,
        EnergyScope,
        MeasurementWindow,
    )
    from llenergymeasure.domain.metrics import ComputeMetrics
    from llenergymeasure.domain.model_info import ModelInfo
    from llenergymeasure.domain.trace import InferenceRequest, RequestTrace
    from llenergymeasure.exceptions import (
        BackendError,
        ConfigurationError,
        EnergyBackendError,
        HubUnreachableError,
        ModelNotFoundError,
    )

__all__ = [
    "BackendError",
    "BackendOptions",
    "BackendSpec",
    "Capabilities",
    "ComputeMetrics",
    "ConfigurationError",
    "DomainReading",
    "EnergyBackend",
    "EnergyBackendError",
    "EnergyBackendFactory",
    "EnergyBackendSpec",
    "EnergyMethod",
    "EnergyReading",
    "EnergyScope",
    "ExperimentConfig",
    "HubUnreachableError",
    "InferenceBackend",
    "InferenceBackendFactory",
    "InferenceRequest",
    "MeasurementWindow",
    "ModelInfo",
    "ModelNotFoundError",
    "RequestTrace",
    "WindowTimer",
]

_HOMES = {
    "llenergymeasure.config.backend_spec": (
        "BackendOptions",
        "BackendSpec",
        "Capabilities",
        "EnergyBackendSpec",
    ),
    "llenergymeasure.config.models": ("ExperimentConfig",),
    "llenergymeasure.core.energy_backends.base": ("EnergyBackend", "EnergyBackendFactory"),
    "llenergymeasure.core.energy_backends.window_timer": ("WindowTimer",),
    "llenergymeasure.core.inference_backends.protocols": (
        "InferenceBackend",
        "InferenceBackendFactory",
    ),
    "llenergymeasure.domain.energy": (
        "DomainReading",
        "EnergyMethod",
        "EnergyReading",
        "EnergyScope",
        "MeasurementWindow",
    ),
    "llenergymeasure.domain.metrics": ("ComputeMetrics",),
    "llenergymeasure.domain.model_info": ("ModelInfo",),
    "llenergymeasure.domain.trace": ("InferenceRequest", "RequestTrace"),
    "llenergymeasure.exceptions": (
        "BackendError",
        "ConfigurationError",
        "EnergyBackendError",
        "HubUnreachableError",
        "ModelNotFoundError",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
