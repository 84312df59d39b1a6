"""What CodeCarbon's numbers of one window are worth, domain by domain."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llenergymeasure.core.energy_backends.rapl_state import RaplState
from llenergymeasure.core.nvml import NvmlGpu
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyScope,
    MeasurementWindow,
)

J_PER_KWH = 3_600_000.0

# No package draws more for minutes; so energy / this bounds from below the time to a wrap.
MAX_PACKAGE_W = 400.0


def missing(
    name: str,
    reason: str,
    window: MeasurementWindow,
    *,
    origin: str | None = None,
    expected: bool = True,
) -> DomainReading:
    """A domain without a number, and why."""
    return DomainReading(
        name=name,
        scope=EnergyScope.MACHINE,
        method=None,
        joules=None,
        origin=origin,
        expected=expected,
        reason=reason,
        window=window,
    )


@dataclass(frozen=True)
class MachineSources:
    """Which sensor or model stands behind each of CodeCarbon's domains on this machine.

    Attributes:
        version: Of CodeCarbon.
        hardware: Its ``get_detected_hardware()``.
        rapl: The CPU counters that it can read.
        gpus: The GPUs that NVML shows.
    """

    version: str
    hardware: Mapping[str, Any]
    rapl: RaplState
    gpus: tuple[NvmlGpu, ...]

    names = ("cpu", "ram", "gpu")

    def readings(self, data: Any, window: MeasurementWindow) -> tuple[DomainReading, ...]:
        """All domains of a window that CodeCarbon's ``EmissionsData`` tells of."""
        readers: tuple[Callable[[Any, MeasurementWindow], DomainReading], ...] = (
            self._cpu,
            self._ram,
            self._gpu,
        )
        return tuple(reader(data, window) for reader in readers)

    def _cpu(self, data: Any, window: MeasurementWindow) -> DomainReading:
        rapl = self.rapl
        if rapl.readable == 0:
            return self._number("cpu", data.cpu_energy, EnergyMethod.ESTIMATED, window)
        if rapl.readable < rapl.packages:
            return missing(
                "cpu",
                f"only {rapl.readable} of {rapl.packages} CPU energy counters can be read; "
                f"make them readable for this user (such as {rapl.example})",
                window,
            )
        safe_s = rapl.wrap_j / MAX_PACKAGE_W
        if window.duration_s > safe_s:
            return missing(
                "cpu",
                f"the window of {window.duration_s:.0f} s is longer than {safe_s:.0f} s, after "
                "which the CPU's energy counter can wrap unseen; measure fewer prompts a cycle",
                window,
                origin=self._origin("cpu", EnergyMethod.COUNTER),
            )
        return self._number("cpu", data.cpu_energy, EnergyMethod.COUNTER, window)

    def _ram(self, data: Any, window: MeasurementWindow) -> DomainReading:
        return self._number("ram", data.ram_energy, EnergyMethod.ESTIMATED, window)

    def _gpu(self, data: Any, window: MeasurementWindow) -> DomainReading:
        if self._gpus_hidden():
            return missing("gpu", "every GPU is hidden from this process", window, expected=False)
        if not self.hardware.get("gpu_count"):
            if self.gpus:
                return missing("gpu", "CodeCarbon does not find the GPU that NVML shows", window)
            return missing("gpu", "no GPU found", window, expected=False)
        counted = not self.gpus or all(gpu.counts_energy for gpu in self.gpus)
        method = EnergyMethod.COUNTER if counted else EnergyMethod.INTEGRATED
        return self._number("gpu", data.gpu_energy, method, window)

    def _gpus_hidden(self) -> bool:
        chosen = self.hardware.get("gpu_ids") or ()
        return bool(chosen) and all(str(gpu) == "-1" for gpu in chosen)

    def _number(
        self, name: str, kwh: Any, method: EnergyMethod, window: MeasurementWindow
    ) -> DomainReading:
        origin = self._origin(name, method)
        wrong = _what_is_wrong(kwh)
        if wrong is not None:
            return missing(name, wrong, window, origin=origin)
        return DomainReading(
            name=name,
            scope=EnergyScope.MACHINE,
            method=method,
            joules=kwh * J_PER_KWH,
            origin=origin,
            window=window,
        )

    def _origin(self, name: str, method: EnergyMethod) -> str:
        what = {"cpu": self._cpu_origin, "ram": self._ram_origin, "gpu": self._gpu_origin}[name]
        return f"CodeCarbon {self.version}, {what(method)}"

    def _cpu_origin(self, method: EnergyMethod) -> str:
        model = self.hardware.get("cpu_model") or "an unknown CPU"
        if method is EnergyMethod.COUNTER:
            return f"RAPL package counters of {model}"
        why = (
            f"its RAPL counters are not readable for this user: {self.rapl.example}"
            if self.rapl.packages
            else "no RAPL counter here"
        )
        return f"CPU load x TDP model of {model} ({why})"

    def _ram_origin(self, method: EnergyMethod) -> str:  # noqa: ARG002 - one form for all three
        size_gib = self.hardware.get("ram_total_size")
        amount = f"{size_gib:.0f} GiB" if isinstance(size_gib, int | float) else "the memory"
        return f"constant power model of {amount}"

    def _gpu_origin(self, method: EnergyMethod) -> str:
        model = self.hardware.get("gpu_model") or "the GPUs"
        chosen = self.hardware.get("gpu_ids")
        only = f", only those with ids {', '.join(map(str, chosen))}" if chosen else ""
        if method is EnergyMethod.INTEGRATED:
            return f"power of {model} sampled each second{only}"
        library = "NVML" if self.gpus else "vendor"
        return f"{library} energy counter of {model}{only}"


def _what_is_wrong(kwh: Any) -> str | None:
    """Why a number of CodeCarbon's is none; None if it can be used."""
    if not isinstance(kwh, int | float) or isinstance(kwh, bool):
        return f"CodeCarbon gave {kwh!r} instead of a number"
    if not math.isfinite(kwh):
        return f"CodeCarbon gave {kwh} kWh"
    if kwh < 0:
        return f"CodeCarbon gave a negative energy ({kwh * J_PER_KWH:.6g} J): a counter was reset"
    if kwh == 0:
        return "CodeCarbon gave exactly 0 J, which is what it says when a sensor cannot be read"
    return None
