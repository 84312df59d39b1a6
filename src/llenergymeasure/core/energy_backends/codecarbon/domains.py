"""What CodeCarbon's numbers of one window are worth, domain by domain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llenergymeasure.core.energy_backends.codecarbon.rapl_access import RaplState
from llenergymeasure.core.energy_backends.impossible import MOST_GPU_W
from llenergymeasure.core.energy_backends.rapl.counter_sum import MOST_W
from llenergymeasure.core.machine.nvml_facts import NvmlGpu
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.domain.validity import Reason, ReasonCode

SOURCE = "codecarbon"
J_PER_KWH = 3_600_000.0


def missing(
    name: str,
    reason: str,
    window: MeasurementWindow,
    code: ReasonCode | None = ReasonCode.SAMPLES_MISSING,
    *,
    origin: str | None = None,
) -> DomainReading:
    """A domain without a number, and why; without a code it is one that is not here."""
    return DomainReading(
        name=name,
        scope=EnergyScope.MACHINE,
        method=None,
        joules=None,
        origin=origin,
        expected=code is not None,
        reason=reason,
        window=window,
        findings=() if code is None else (Reason(code=code, detail=f"{name}: {reason}"),),
        source=SOURCE,
    )


@dataclass(frozen=True)
class _Limit:
    """More power than the hardware can draw tells that a counter was misread."""

    most_w: float
    code: ReasonCode

    def passed_by(self, joules: float, window: MeasurementWindow) -> Reason | None:
        """Why the joules cannot be; None if they can."""
        # Within a second a power may be passed that nothing draws for longer.
        if joules <= self.most_w * max(window.duration_s, 1.0):
            return None
        detail = (
            f"CodeCarbon gave {joules:.6g} J for {window.duration_s:.3g} s, more than the "
            f"{self.most_w:g} W that can be drawn: it misread a counter"
        )
        return Reason(code=self.code, detail=detail)


@dataclass(frozen=True)
class MachineSources:
    """Which sensor or model stands behind each of CodeCarbon's domains on this machine.

    Attributes:
        version: Of CodeCarbon.
        hardware: Its ``get_detected_hardware()``.
        rapl: The CPU counters that it could read when it was set up.
        gpus: The GPUs that NVML shows.
    """

    version: str
    hardware: Mapping[str, Any]
    rapl: RaplState
    gpus: tuple[NvmlGpu, ...]

    names = ("cpu", "ram", "gpu")

    def readings(
        self, data: Any, window: MeasurementWindow, rapl_now: RaplState
    ) -> tuple[DomainReading, ...]:
        """All domains of a window that CodeCarbon's ``EmissionsData`` tells of.

        Args:
            data: What it tells.
            window: When.
            rapl_now: The CPU counters that can be read after the window.
        """
        return (
            self._cpu(data, window, rapl_now),
            self._ram(data, window),
            self._gpu(data, window),
        )

    def _cpu(self, data: Any, window: MeasurementWindow, rapl_now: RaplState) -> DomainReading:
        if self.rapl.readable == 0:
            return self._number("cpu", data.cpu_energy, EnergyMethod.ESTIMATED, window)
        fault = _report_closed(self.rapl, rapl_now) or _may_wrap(self.rapl, window)
        if fault is not None:
            origin = self._origin("cpu", EnergyMethod.COUNTER)
            return missing("cpu", fault.detail, window, fault.code, origin=origin)
        # CodeCarbon takes a failed read for a wrap, and adds a whole range: 65 to 262 kJ.
        most_w = self.rapl.packages * MOST_W["cpu"]
        return self._number(
            "cpu",
            data.cpu_energy,
            EnergyMethod.COUNTER,
            window,
            limit=_Limit(most_w, ReasonCode.COUNTER_WRAP_RISK),
        )

    def _ram(self, data: Any, window: MeasurementWindow) -> DomainReading:
        return self._number("ram", data.ram_energy, EnergyMethod.ESTIMATED, window)

    def _gpu(self, data: Any, window: MeasurementWindow) -> DomainReading:
        if self._gpus_hidden():
            return missing("gpu", "every GPU is hidden from this process", window, None)
        if not self.hardware.get("gpu_count"):
            if self.gpus:
                reason = "CodeCarbon does not find the GPU that NVML shows"
                return missing("gpu", reason, window, ReasonCode.SENSOR_UNSUPPORTED)
            return missing("gpu", "no GPU found", window, None)
        counted = not self.gpus or all(gpu.counts_energy for gpu in self.gpus)
        method = EnergyMethod.COUNTER if counted else EnergyMethod.INTEGRATED
        most_w = self.hardware["gpu_count"] * MOST_GPU_W
        limit = _Limit(most_w, ReasonCode.COUNTER_RESET)
        return self._number("gpu", data.gpu_energy, method, window, limit)

    def _gpus_hidden(self) -> bool:
        chosen = self.hardware.get("gpu_ids") or ()
        return bool(chosen) and all(str(gpu) == "-1" for gpu in chosen)

    def _number(
        self,
        name: str,
        kwh: Any,
        method: EnergyMethod,
        window: MeasurementWindow,
        limit: _Limit | None = None,
    ) -> DomainReading:
        origin = self._origin(name, method)
        wrong = _what_is_wrong(kwh) or (limit.passed_by(kwh * J_PER_KWH, window) if limit else None)
        if wrong is not None:
            return missing(name, wrong.detail, window, wrong.code, origin=origin)
        return DomainReading(
            name=name,
            scope=EnergyScope.MACHINE,
            method=method,
            joules=kwh * J_PER_KWH,
            origin=origin,
            window=window,
            source=SOURCE,
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


def _report_closed(before: RaplState, now: RaplState) -> Reason | None:
    """Why not every package was read."""
    if before.readable < before.packages:
        detail = (
            f"only {before.readable} of {before.packages} CPU energy counters can be read; "
            f"make them readable for this user (such as {before.example})"
        )
    elif now.readable < before.readable:
        detail = (
            f"{before.readable} CPU energy counters could be read at first and {now.readable} now "
            f"(see {now.example or before.example}): what CodeCarbon made of the rest is not known"
        )
    else:
        return None
    return Reason(code=ReasonCode.RAPL_UNREADABLE, detail=detail)


def _may_wrap(rapl: RaplState, window: MeasurementWindow) -> Reason | None:
    """Why a wrap may have been missed: CodeCarbon reads at the window's ends.

    All packages together, so that a range too much stands out from what they can draw at most.
    """
    safe_s = rapl.wrap_j / (rapl.packages * MOST_W["cpu"])
    if window.duration_s <= safe_s:
        return None
    detail = (
        f"the window of {window.duration_s:.0f} s is longer than {safe_s:.0f} s, after which a "
        "CPU's energy counter can wrap unseen by CodeCarbon; use rapl, which reads meanwhile, or "
        "measure shorter windows"
    )
    return Reason(code=ReasonCode.COUNTER_WRAP_RISK, detail=detail)


def _what_is_wrong(kwh: Any) -> Reason | None:
    """Why a number of CodeCarbon's is none; None if it can be used."""
    code = ReasonCode.SAMPLES_MISSING
    if not isinstance(kwh, int | float) or isinstance(kwh, bool):
        detail = f"CodeCarbon gave {kwh!r} instead of a number"
    elif not math.isfinite(kwh):
        detail = f"CodeCarbon gave {kwh} kWh"
    elif kwh < 0:
        code = ReasonCode.COUNTER_RESET
        detail = f"CodeCarbon gave a negative energy ({kwh * J_PER_KWH:.6g} J): a counter was reset"
    elif kwh == 0:
        detail = "CodeCarbon gave exactly 0 J, which is what it says when a sensor cannot be read"
    else:
        return None
    return Reason(code=code, detail=detail)
