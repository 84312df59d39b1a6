"""What the PyTorch backend asks of torch itself: devices, seeds, memory, versions."""

from __future__ import annotations

import random
import resource
import sys
from pathlib import Path
from typing import Any

from llenergymeasure.exceptions import ConfigurationError


def choose_device(name: str) -> Any:
    """The ``torch.device`` for ``auto``, ``cuda``, ``mps`` or ``cpu``.

    Raises:
        ConfigurationError: The device was asked for and is not there.
    """
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    chosen = next(kind for kind, is_there in there.items() if is_there) if name == "auto" else name
    if not there[chosen]:
        raise ConfigurationError(
            f"device {name!r} is asked for, but torch {torch.__version__} finds none",
            hint="set device to auto or cpu, or install a torch built for the accelerator",
        )
    # With an index, so that the result says which one it was.
    return (
        torch.device(chosen, torch.cuda.current_device())
        if chosen == "cuda"
        else torch.device(chosen)
    )


def make_context(device: Any) -> None:
    """Let the device set itself up, which its first allocation makes it do."""
    import torch

    torch.ones(1, device=device)
    synchronize(device)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators, on every device."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def synchronize(device: Any) -> None:
    """Wait until the device has done all that was submitted."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def free_cached_memory(device: Any) -> None:
    """Give unused device memory back to the system."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_fatal(error: BaseException) -> bool:
    """Whether the device cannot be used any more after this error (out of memory is not that)."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return False
    accelerator_error = getattr(torch, "AcceleratorError", None)
    if accelerator_error is not None and isinstance(error, accelerator_error):
        return True
    return "CUDA error" in str(error)


def reset_peak_memory(device: Any) -> None:
    """Start a new peak where the device keeps one."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: Any) -> tuple[int, str]:
    """Peak memory in bytes, and what it is the peak of."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device)), "cuda_max_memory_allocated"
    return _peak_rss_bytes(), "process_peak_rss"


def _peak_rss_bytes() -> int:
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage would start from the parent's size at the fork.
        for line in status.read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_threads() -> int:
    """Threads that torch computes with on the CPU."""
    import torch

    return int(torch.get_num_threads())


def transformers_version() -> str:
    """Version of transformers."""
    import transformers

    return str(transformers.__version__)


def library_details(device: Any) -> dict[str, str]:
    """Versions below transformers, and the accelerator's name."""
    import tokenizers
    import torch

    details = {"torch": str(torch.__version__), "tokenizers": str(tokenizers.__version__)}
    if device.type == "cuda":
        details["cuda"] = str(torch.version.cuda)
        details["device_name"] = str(torch.cuda.get_device_name(device))
    return details
