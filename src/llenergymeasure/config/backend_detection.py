"""Which backends could run here. States facts cheaply: no engine is imported."""

from __future__ import annotations

from importlib.util import find_spec

from llenergymeasure.config.backend_spec import ComponentSpec
from llenergymeasure.config.registry import usable
from llenergymeasure.constants import INFERENCE_BACKENDS_GROUP


def missing_requirements(spec: ComponentSpec) -> list[str]:
    """The modules that the backend needs and this Python does not have."""
    return [module for module in spec.requires if not _importable(module)]


def is_backend_available(name: str) -> bool:
    """Whether an inference backend is registered and what it needs is installed."""
    spec = usable(INFERENCE_BACKENDS_GROUP).get(name)
    return spec is not None and not missing_requirements(spec)


def get_available_backends() -> list[str]:
    """Names of the inference backends that could run here, sorted."""
    return [name for name in usable(INFERENCE_BACKENDS_GROUP) if is_backend_available(name)]


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
