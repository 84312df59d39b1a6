from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llenergymeasure.core.environment import collect_environment
from llenergymeasure.core.gpu_info import gpu_inventory
from llenergymeasure.core.machine import nvml_facts
from llenergymeasure.core.machine.nvml_facts import NvmlGpu, nvml_gpus
from llenergymeasure.deadline import StuckError
from llenergymeasure.orchestration.machine import doctor, gpus
from llenergymeasure.orchestration.machine.checks import CheckState


class Binding(ModuleType):
    """A stand-in for pynvml with three GPUs: one counts energy, one does not, one is old."""

    class NVMLError(Exception):
        pass

    def __init__(self, broken: str | None = None) -> None:
        super().__init__("pynvml")
        self.broken = broken
        self.open = 0

    def nvmlInit(self) -> None:
        self._maybe_break("init")
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        self._maybe_break("count")
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> Any:
        return ["H200", "GTX 970", b"Old \xff"][handle]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        if handle:
            raise self.NVMLError("not supported")
        return 42

    def _maybe_break(self, what: str) -> None:
        if self.broken == what:
            raise self.NVMLError(what)


def test_gpus_and_their_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    binding = Binding()
    monkeypatch.setitem(sys.modules, "pynvml", binding)

    assert nvml_gpus() == (
        NvmlGpu("H200", counts_energy=True),
        NvmlGpu("GTX 970", counts_energy=False),
        NvmlGpu("Old \ufffd", counts_energy=False),
    )
    assert binding.open == 0


@pytest.mark.parametrize("broken", ["init", "count"])
def test_a_machine_without_a_driver_has_none(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    binding = Binding(broken)
    monkeypatch.setitem(sys.modules, "pynvml", binding)

    assert nvml_gpus() == ()
    assert binding.open == 0


def test_a_missing_binding_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml_gpus() == ()


class HangingBinding(Binding):
    """A driver that does not come back from one of its functions until ``released``."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.released = threading.Event()
        setattr(self, function, lambda *_: self.released.wait(60))


@pytest.fixture(
    params=["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetName", "nvmlShutdown"],
)
def hanging(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HangingBinding]:
    binding = HangingBinding(request.param)
    monkeypatch.setitem(sys.modules, "pynvml", binding)
    monkeypatch.setattr(nvml_facts, "NVML_TIMEOUT_S", 0.05)
    yield binding
    binding.released.set()


@pytest.mark.usefixtures("hanging")
def test_a_driver_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for facts is told, and none of them waits for ever."""
    words = "NVIDIA's driver did not answer within 0.05 s"
    with pytest.raises(StuckError):
        nvml_gpus()
    assert gpu_inventory(Path("/nowhere")).problem == words
    found = collect_environment()
    assert (found.gpus, found.gpu_reason) == ((), words)

    def measure(_: object) -> None:
        raise AssertionError("it would hang again")

    monkeypatch.setattr(gpus, "_measure", measure)
    assert gpus.look_at_gpus().problem == words
    check = doctor._gpus(None)
    assert (check.state, check.detail) == (CheckState.WARNING, words)
