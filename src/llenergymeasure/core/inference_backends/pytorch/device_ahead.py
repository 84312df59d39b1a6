"""Whether a device can be there, without torch, which takes seconds: only a sure no counts."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import sys
from pathlib import Path

from llenergymeasure.core.energy_backends.gpu.visible import parse_visible
from llenergymeasure.exceptions import ConfigurationError

_BUILT_FOR = re.compile(r"^(cuda|hip)\b[^=]*= *(.+)$", re.MULTILINE)
_DRIVER = "libcuda.so.1"


def check_device(name: str) -> None:
    """Refuse a device that torch cannot find here.

    Raises:
        ConfigurationError: It is not there.
    """
    why = _why_no_cuda() if name == "cuda" else _why_no_mps() if name == "mps" else None
    if why is not None:
        raise ConfigurationError(
            f"device {name!r} is asked for, but {why}",
            hint="set device to auto or cpu, or run where there is such a device",
        )


def _why_no_mps() -> str | None:
    return None if sys.platform == "darwin" else "only a Mac has one"


def _why_no_cuda() -> str | None:
    built = _built_for()
    if built is None:
        return None
    if not built:
        return "this torch is built without CUDA"
    # torch hides AMD GPUs behind the same name, and reads another variable for them.
    if "cuda" not in built:
        return None if Path("/dev/kfd").exists() else "there is no driver of AMD GPUs (/dev/kfd)"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not parse_visible(visible):
        return f"CUDA_VISIBLE_DEVICES={visible!r} shows no GPU"
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return f"there is no driver of NVIDIA GPUs ({_DRIVER})"
    return None


def _built_for() -> set[str] | None:
    """What the installed torch is built for; None if it does not say."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        text = (Path(spec.origin).parent / "version.py").read_text("utf-8")
    except OSError:
        return None
    said = _BUILT_FOR.findall(text)
    return {name for name, value in said if value.strip() != "None"} if said else None
