"""Is this machine ready to measure? Every answer comes from trying."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llenergymeasure.constants import DEFAULT_BACKEND
from llenergymeasure.core.machine.load import LoadMeter
from llenergymeasure.core.machine.nvml_facts import nvml_gpus
from llenergymeasure.core.processes.measurements import find_other_measurements
from llenergymeasure.deadline import StuckError
from llenergymeasure.orchestration.machine.backends import (
    BackendEntry,
    list_backends,
    try_energy_backends,
)
from llenergymeasure.orchestration.machine.checks import Check, CheckState
from llenergymeasure.orchestration.machine.doctor_energy import try_energy_source
from llenergymeasure.orchestration.machine.doctor_imports import Probe, probe_module
from llenergymeasure.orchestration.machine.doctor_load import judge_load, judge_others

_HUB = "huggingface_hub"
_DISK_FAILED_BYTES = 2**30
_DISK_WARNING_BYTES = 10 * 2**30


def examine(results_dir: Path, state_dir: Path) -> list[Check]:
    """Look at everything that a measurement needs.

    Takes some seconds: engines are imported (each in a process of its own), and every energy
    source is read once.
    """
    load = LoadMeter()
    # Before the imports: on a busy machine a sensor's updates cannot be told.
    energy = try_energy_source()
    seen_load = judge_load(load.sample())
    backends = try_energy_backends(list_backends())
    modules = _modules(backends)
    with ThreadPoolExecutor(max_workers=4) as pool:
        probes = dict(zip(modules, pool.map(probe_module, modules), strict=True))
        return [
            _python(),
            *_modules_asked(probes, backends),
            *_backends(backends, probes),
            _gpus(probes.get("torch")),
            *energy,
            seen_load,
            judge_others(find_other_measurements()),
            *_folders(results_dir, state_dir, probes.get(_HUB)),
            _disk(results_dir),
        ]


def _python() -> Check:
    detail = f"{platform.python_version()} ({sys.executable})"
    return Check("python", CheckState.OK, detail)


def _modules(backends: list[BackendEntry]) -> list[str]:
    needed = (module for entry in backends for module in entry.engine)
    return list(dict.fromkeys([*needed, _HUB]))


def _modules_asked(probes: Mapping[str, Probe], backends: list[BackendEntry]) -> Iterator[Check]:
    for name, probe in probes.items():
        users = [entry for entry in backends if name in entry.engine]
        # A backend that does not work here has a line of its own, with the reason.
        told = bool(users) and not any(entry.state in ("installed", "ok") for entry in users)
        if probe.error is None or not told:
            yield _module(name, probe, users)


def _module(name: str, probe: Probe, users: list[BackendEntry]) -> Check:
    if probe.error is None:
        return Check(name, CheckState.OK, f"can be imported, {probe.version or 'version unknown'}")
    if users and all(entry.optional for entry in users):
        return Check(name, CheckState.ABSENT, f"optional, {probe.error}")
    needed = name == _HUB or any(_is_wanted(entry) for entry in users)
    hint = next((entry.hint for entry in users if entry.hint), None)
    return Check(name, CheckState.FAILED if needed else CheckState.WARNING, probe.error, hint)


def _is_wanted(entry: BackendEntry) -> bool:
    """Whether a run without a choice of its own would use it."""
    return entry.name == DEFAULT_BACKEND if entry.kind == "inference" else entry.automatic


def _backends(backends: list[BackendEntry], probes: Mapping[str, Probe]) -> Iterator[Check]:
    for kind, works in (("inference", "installed"), ("energy", "ok")):
        usable = [e for e in backends if e.kind == kind and _can_be_imported(e, probes)]
        names = [entry.name for entry in usable if entry.state == works]
        untried = [entry.name for entry in usable if entry.state == "installed" != works]
        said = [f"{'work here' if works == 'ok' else works}: {', '.join(names) or 'none'}"]
        said += [f"not tried, they need options: {', '.join(untried)}"] if untried else []
        state = CheckState.OK if names else CheckState.FAILED
        yield Check(f"{kind} backends", state, "; ".join(said))
    for entry in backends:
        if entry.state not in ("installed", "ok"):
            yield _not_usable(entry)


def _not_usable(entry: BackendEntry) -> Check:
    name, reason = f"backend {entry.name}", entry.reason or "no reason given"
    if entry.state == "not there":
        return Check(name, CheckState.ABSENT, reason, entry.hint)
    if entry.state == "missing" and entry.optional:
        return Check(name, CheckState.ABSENT, f"optional, {reason}", entry.hint)
    if entry.state in ("missing", "broken"):
        state = CheckState.FAILED if _is_wanted(entry) else CheckState.WARNING
        return Check(name, state, f"{entry.state}: {reason}", entry.hint)
    # What to do about a part of auto stands with the domain that is not read.
    return Check(name, CheckState.WARNING, reason, None if entry.automatic else entry.hint)


def _can_be_imported(entry: BackendEntry, probes: Mapping[str, Probe]) -> bool:
    works = all(name in probes and probes[name].error is None for name in entry.engine)
    return entry.state in ("installed", "ok") and works


def _gpus(torch: Probe | None) -> Check:
    try:
        seen = nvml_gpus()
    except StuckError as stuck:
        hint = "a GPU may have failed: see dmesg and nvidia-smi; restart the machine"
        return Check("GPUs", CheckState.WARNING, f"NVIDIA's driver {stuck.message}", hint)
    if not seen:
        usable = ", ".join(torch.devices) if torch and torch.devices else ""
        if usable:
            return Check("GPUs", CheckState.OK, usable)
        return Check("GPUs", CheckState.ABSENT, "models run on the CPU")
    names = ", ".join(gpu.name for gpu in seen)
    if torch is not None and not torch.devices:
        return Check(
            "GPUs",
            CheckState.WARNING,
            f"{names}: the driver sees them, this PyTorch does not",
            "install a CUDA build of PyTorch, and look at CUDA_VISIBLE_DEVICES",
        )
    return Check("GPUs", CheckState.OK, names)


def _folders(results_dir: Path, state_dir: Path, hub: Probe | None) -> Iterator[Check]:
    from platformdirs import user_cache_path

    folders = {
        "results folder": (results_dir, "choose another one with --results-dir"),
        "state folder": (state_dir, "set LLM_ENERGY_STATE_DIR to a folder that you may write"),
        "cache folder": (user_cache_path("llenergymeasure"), "set XDG_CACHE_HOME"),
    }
    if hub is not None and hub.cache is not None:
        folders["model cache"] = (Path(hub.cache), "set HF_HOME to a folder that you may write")
    for name, (folder, hint) in folders.items():
        problem = _not_writable(folder)
        if problem is None:
            yield Check(name, CheckState.OK, str(folder))
        else:
            yield Check(name, CheckState.FAILED, f"{folder}: {problem}", hint)


def _not_writable(folder: Path) -> str | None:
    """Why nothing can be written there; a folder that is not there yet is not made."""
    existing = _existing(folder)
    if not existing.is_dir():
        return f"{existing} is a file"
    if existing != folder:
        return None if os.access(existing, os.W_OK | os.X_OK) else f"{existing} is not writable"
    try:
        with tempfile.NamedTemporaryFile(prefix=".lem-doctor-", dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _existing(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _disk(results_dir: Path) -> Check:
    free = shutil.disk_usage(_existing(results_dir)).free
    detail = f"{free / 2**30:.1f} GiB free for results"
    if free < _DISK_FAILED_BYTES:
        return Check("disk", CheckState.FAILED, detail, "free some space")
    if free < _DISK_WARNING_BYTES:
        return Check("disk", CheckState.WARNING, detail, "free some space before a long run")
    return Check("disk", CheckState.OK, detail)
