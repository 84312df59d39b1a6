"""Building the stand-in for AMD's library, which the real amdsmi binding then talks to."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
SOURCES = [*sorted(_HERE.glob("nvml_stand_in*.c")), _HERE / "amdsmi_stand_in.c"]
LIBRARY = "libamd_smi.so"
_NAMES = re.compile(r"_libraries\['libamd_smi.so'\]\.(\w+)")


def installed() -> bool:
    """Whether there is a binding to try; it comes with zeus."""
    return importlib.util.find_spec("amdsmi") is not None


def build(folder: Path) -> Path:
    """Compile the stand-in; returns the folder for LD_LIBRARY_PATH."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None, "a C compiler (gcc) is needed to build the stand-in"
    stubs = folder / "amdsmi_stubs.c"
    stubs.write_text(
        "".join(f"__attribute__((weak)) int {name}(void) {{ return 2; }}\n" for name in _names())
    )
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
    sources = [*map(str, SOURCES), str(stubs)]
    subprocess.run(
        [*command, "-o", str(folder / LIBRARY), *sources, "-lm"], check=True, timeout=120
    )
    return folder


def environment(folder: Path, gpus: str, **more: str) -> dict[str, str]:
    """The variables under which a new process sees these GPUs (form: the C files' heads)."""
    hidden = ("CUDA_", "HIP_", "ROCR_", "ROCM_")
    base = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    return {**base, "LD_LIBRARY_PATH": str(folder), "NVML_STAND_IN": gpus, **more}


def _names() -> list[str]:
    """Every function that the binding takes from the library when it is imported."""
    spec = importlib.util.find_spec("amdsmi")
    assert spec is not None, "amdsmi is not installed"
    assert spec.origin is not None
    wrapper = Path(spec.origin).with_name("amdsmi_wrapper.py")
    return sorted(set(_NAMES.findall(wrapper.read_text(encoding="utf-8"))))
