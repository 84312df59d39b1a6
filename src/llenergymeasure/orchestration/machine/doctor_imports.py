"""Importing an engine in a process of its own: a broken one may crash, hang, or talk."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

PROBE_TIMEOUT_S = 120.0

_CODE = """
import importlib, json, sys
from importlib import metadata
name = sys.argv[1]
module = importlib.import_module(name)
said = {"version": getattr(module, "__version__", None)}
if said["version"] is None:
    # nvidia-ml-py, for one, tells its version only as a distribution.
    for distribution in metadata.packages_distributions().get(name.partition(".")[0], []):
        said["version"] = f"{metadata.version(distribution)} ({distribution})"
if name == "torch" and module.cuda.is_available():
    count = module.cuda.device_count()
    said["devices"] = [module.cuda.get_device_name(i) for i in range(count)]
if name == "huggingface_hub":
    said["cache"] = str(importlib.import_module(name + ".constants").HF_HUB_CACHE)
print()
print(sys.argv[2] + json.dumps(said))
"""
_MARK = "lem-probe:"
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([^']*)'")


@dataclass(frozen=True)
class Probe:
    """What a module said of itself; ``error`` says why it did not.

    Attributes:
        devices: Accelerators that it can use (PyTorch only).
        cache: Folder that it keeps models in (the hub's client only).
    """

    version: str | None = None
    devices: tuple[str, ...] = ()
    cache: str | None = None
    error: str | None = None


def probe_module(name: str, timeout_s: float = PROBE_TIMEOUT_S) -> Probe:
    """Import a module elsewhere and ask it."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CODE, name, _MARK],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probe(error=f"importing it took more than {timeout_s:.0f} s")
    if done.returncode != 0:
        return Probe(error=_why_not(name, done.stderr, done.returncode))
    said = _parse_answer(done.stdout)
    if said is None:
        return Probe(error="importing it ended the process before it could be asked")
    return Probe(said["version"], tuple(said.get("devices", ())), said.get("cache"))


def _why_not(name: str, stderr: str, code: int) -> str:
    """Why a module could not be imported: the last line of the traceback, in words."""
    lines = stderr.strip().splitlines()
    if not lines:
        return f"importing it ended with {code}"
    missing = _MISSING.fullmatch(lines[-1])
    if missing is None:
        return f"it cannot be imported ({lines[-1]})"
    return "it is not installed" if missing[1] == name else f"it needs {missing[1]}, not installed"


def _parse_answer(output: str) -> dict[str, Any] | None:
    """What our code printed; engines print before it, and some when they end."""
    for line in reversed(output.splitlines()):
        if line.startswith(_MARK):
            said: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return said
    return None
