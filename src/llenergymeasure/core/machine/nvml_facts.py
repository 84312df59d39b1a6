"""What NVIDIA's management library says of the GPUs here. Absence is an empty answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from llenergymeasure.deadline import within

T = TypeVar("T")

# All facts of all GPUs. Where no program uses them, the driver sets each up first: seconds.
NVML_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class NvmlGpu:
    """One GPU.

    Attributes:
        name: As the driver calls it.
        counts_energy: It has an energy counter that can be read.
    """

    name: str
    counts_energy: bool


class NvmlSession:
    """The initialised library, asked for facts: what it does not know is None, never an error.

    Args:
        binding: The module ``pynvml``.
    """

    def __init__(self, binding: Any) -> None:
        self.binding = binding

    def ask(self, function: str, *arguments: Any) -> Any:
        """The answer of a function of the binding; None if it fails or there is none such."""
        call: Callable[..., Any] | None = getattr(self.binding, function, None)
        if call is None:
            return None
        try:
            return call(*arguments)
        except (self.binding.NVMLError, ValueError, TypeError):
            # The binding raises the last two where it and the driver differ in age.
            return None

    def text(self, function: str, *arguments: Any) -> str | None:
        """An answer that is text; old bindings answer in bytes."""
        value = self.ask(function, *arguments)
        if value is None:
            return None
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def pci_bus_id(self, function: str, *arguments: Any) -> str | None:
        """``domain:bus:device.function`` of a function that tells a place on the PCI bus."""
        info = self.ask(function, *arguments)
        if info is None:
            return None
        text = info.busId.decode() if isinstance(info.busId, bytes) else str(info.busId)
        return text or None

    def constant(self, name: str) -> Any:
        """A constant of the binding; None in one that does not have it."""
        return getattr(self.binding, name, None)

    def handles(self) -> list[Any]:
        """A handle for each GPU in the order of the PCI bus; None for one that does not answer."""
        count = self.ask("nvmlDeviceGetCount") or 0
        return [self.ask("nvmlDeviceGetHandleByIndex", index) for index in range(count)]


def ask_nvml(question: Callable[[NvmlSession], T]) -> T | None:
    """What ``question`` gives of the library, which is open meanwhile.

    Returns:
        None without a driver or the binding.

    Raises:
        StuckError: A call did not come back: some drivers hang when a GPU has failed.
    """
    return within(lambda: _ask(question), NVML_TIMEOUT_S, "lem-nvml-facts")


def _ask(question: Callable[[NvmlSession], T]) -> T | None:
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return None
    session = NvmlSession(pynvml)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return question(session)
    finally:
        session.ask("nvmlShutdown")


def nvml_gpus() -> tuple[NvmlGpu, ...]:
    """All GPUs of the machine in NVML's order; empty without a driver, a GPU or the binding.

    Raises:
        StuckError: The driver did not answer.
    """
    return ask_nvml(_list_gpus) or ()


def _list_gpus(session: NvmlSession) -> tuple[NvmlGpu, ...]:
    return tuple(_gpu(session, handle) for handle in session.handles() if handle is not None)


def _gpu(session: NvmlSession, handle: Any) -> NvmlGpu:
    return NvmlGpu(
        name=session.text("nvmlDeviceGetName", handle) or "unknown GPU",
        counts_energy=session.ask("nvmlDeviceGetTotalEnergyConsumption", handle) is not None,
    )
