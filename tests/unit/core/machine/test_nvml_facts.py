from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from llenergymeasure.core.machine.nvml_facts import NvmlGpu, nvml_gpus


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
