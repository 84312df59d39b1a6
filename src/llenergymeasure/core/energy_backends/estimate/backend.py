"""Joules by a model, for machines whose sensors cannot be read: works anywhere.

cpu   CPU time of the measured processes x TDP / cores     what they used, nothing of idle cores
ram   a constant power by the size of the memory           the whole machine's

Always `estimated`: no sensor is read. GPUs are not estimated.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from array import array
from collections.abc import Callable, Sequence

import psutil

from llenergymeasure.config.backend_configs import EstimateConfig
from llenergymeasure.core.energy_backends.estimate.power_model import (
    CpuModel,
    Machine,
    cpu_power,
    memory_power,
    this_machine,
)
from llenergymeasure.core.energy_backends.poller import Poller
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.core.processes.cpu_time import TreeMeter
from llenergymeasure.core.processes.orphans import find_adopter
from llenergymeasure.core.processes.ownership import find_common_root
from llenergymeasure.core.processes.proc import TICK_S
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyReading,
    EnergyScope,
    Evidence,
    MeasurementWindow,
    Uncertainty,
)
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.exceptions import EnergyBackendError

SOURCE = "estimate"

# CPU time over one tick is all or nothing.
LEAST_TICKS = 2

MODEL_ERROR = 0.4
MODEL_ORIGIN = "arXiv 2509.22092: estimates err by up to 40 % against meters"


class EstimateBackend:
    """The joules of the CPU and the memory, estimated.

    Where several processes measure together, this runs in one of each host and follows the tree
    of their common parent there.

    Args:
        options: The ``energy.estimate`` section.
        clock: Nanoseconds that the windows are timed with.
        machine: Tells what the models go by.
        root: First process of the tree; None is this one, or the parent of all ranks.
    """

    def __init__(
        self,
        options: EstimateConfig,
        clock: MonotonicClock = time.monotonic_ns,
        machine: Callable[[], Machine] = this_machine,
        root: int | None = None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._timer = WindowTimer(clock)
        self._machine = machine
        self._root = root
        self._every_s = options.interval_ms / 1e3
        self._cpu: CpuModel | None = None
        self._ram: tuple[float, str] | None = None
        self._window: _Window | None = None
        self._last: _Window | None = None

    def sample_every(self, interval_s: float) -> None:
        """Look at the process tree about so often, in s; more often where the options say so."""
        self._every_s = min(self._every_s, interval_s)

    def prepare(self) -> None:
        """Choose the models."""
        machine = self._machine()
        self._cpu = cpu_power(self._options, machine)
        self._ram = memory_power(self._options, machine)

    def start(self) -> None:
        """Open a window.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if self._cpu is None:
            raise EnergyBackendError("the estimate is not prepared: call prepare() first")
        self._timer.require_closed()
        root = self._root if self._root is not None else find_common_root()
        self._window = _Window(root, self._clock, self._every_s)
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the window and estimate what it held.

        Raises:
            EnergyBackendError: No window is open.
        """
        open_window, self._window = self._window, None
        if open_window is not None:
            open_window.end()
        window = self._timer.close()
        assert open_window is not None, "the timer's window is ours"
        self._last = open_window
        return EnergyReading(
            backend=SOURCE,
            domains=(self._cpu_reading(open_window, window), self._ram_reading(window)),
            emissions_reason="the estimate gives no carbon intensity, only energy",
        )

    def samples(self) -> Sequence[SampleSeries]:
        """Share of the machine's CPUs that the tree used, in percent, at each look."""
        return [] if self._last is None else [self._last.series()]

    def close(self) -> None:
        """End the thread; forgets an open window."""
        window, self._window = self._window, None
        if window is not None:
            window.abandon()
        self._timer.forget()
        self._cpu = None

    def _cpu_reading(self, seen: _Window, window: MeasurementWindow) -> DomainReading:
        cpu = self._cpu
        assert cpu is not None, "a window opens only on a prepared source"
        origin = f"CPU time of the measured processes x {cpu.origin}"
        if seen.used_s is None:
            return _unread(origin, window)
        # Two threads of one core are two CPUs busy, and draw what the core draws.
        busy_s = min(seen.used_s, cpu.cores * window.duration_s)
        unsure_s = min(2 * TICK_S * seen.processes + seen.unsure_s, cpu.cores * window.duration_s)
        return _estimate_domain(
            "cpu",
            EnergyScope.PROCESS,
            busy_s * cpu.w_per_core,
            unsure_s * cpu.w_per_core,
            origin,
            window,
            seen,
        )

    def _ram_reading(self, window: MeasurementWindow) -> DomainReading:
        assert self._ram is not None, "a window opens only on a prepared source"
        power_w, words = self._ram
        origin = f"the machine's memory: {words}"
        joules = power_w * window.duration_s
        return _estimate_domain("ram", EnergyScope.MACHINE, joules, None, origin, window)


class _Window:
    """The process tree over one window."""

    def __init__(self, root: int, clock: MonotonicClock, every_s: float) -> None:
        self.used_s: float | None = None
        self._clock = clock
        self._every_s = every_s
        self._lock = threading.Lock()
        self._ended = False
        self._tree = TreeMeter(root, adopter=find_adopter())
        # 16 bytes a look: a day of them stays small.
        self._times_ns = array("q", [clock()])
        self._used_s = array("d", [0.0])
        self._poller: Poller | None = Poller(self._look, every_s, "lem-estimate")

    def end(self) -> None:
        """Look a last time."""
        with self._lock:
            self._ended = True
            self.used_s = self._note(search=True)
        self.abandon()

    def abandon(self) -> None:
        """End the thread."""
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.stop()

    @property
    def processes(self) -> int:
        """The most that were seen at once."""
        return self._tree.most

    @property
    def unsure_s(self) -> float:
        """By how much the CPU seconds may be off, beside rounding."""
        return self._tree.unsure_s

    @property
    def findings(self) -> tuple[Reason, ...]:
        """What was seen to escape."""
        count = self._tree.unfollowed
        if not count:
            return ()
        who = "1 process" if count == 1 else f"{count} processes"
        detail = (
            f"cpu: {who} ended without leaving its CPU time to a measured process (the parent "
            "ignores SIGCHLD, or had ended before): the time after the last look is not counted, "
            f"at most {self.unsure_s:.2g} s"
        )
        return (Reason(code=ReasonCode.CPU_TIME_LOST, detail=detail),)

    @property
    def evidence(self) -> Evidence:
        """How often was looked."""
        gaps = [b - a for a, b in itertools.pairwise(self._times_ns)]
        return Evidence(samples=len(self._times_ns), longest_gap_s=max(gaps, default=0) / 1e9)

    def series(self) -> SampleSeries:
        """CPU use between two looks, in percent of all CPUs, at the later one.

        CPU time comes in ticks: over less than half of the time between two looks, as is left at
        the window's end, it tells nothing. Such a rest belongs to the look before it.
        """
        cpus = psutil.cpu_count() or 1
        looks = list(zip(self._times_ns, self._used_s, strict=True))
        if len(looks) > 2 and looks[-1][0] - looks[-2][0] < self._every_s / 2 * 1e9:
            del looks[-2]
        times_ns, percent, late_s = array("q"), array("d"), 0.0
        for (start_ns, before_s), (end_ns, after_s) in reversed([*itertools.pairwise(looks)]):
            could_s = (end_ns - start_ns) / 1e9 * cpus
            used_s = after_s - before_s + late_s
            # A process that is found late brings what it used before.
            late_s = max(used_s - could_s, 0.0)
            if could_s >= LEAST_TICKS * TICK_S * cpus:
                times_ns.append(end_ns)
                percent.append(100 * min(max(used_s / could_s, 0.0), 1.0))
        return SampleSeries("cpu", "cpu_percent", times_ns[::-1], percent[::-1])

    def _look(self) -> None:
        with self._lock:
            if not self._ended:
                self._note()

    def _note(self, *, search: bool | None = None) -> float | None:
        used_s = self._tree.used_s(search=search)
        if used_s is not None:
            self._times_ns.append(self._clock())
            self._used_s.append(used_s)
        return used_s


def _unread(origin: str, window: MeasurementWindow) -> DomainReading:
    detail = "the CPU time of the measured processes could not be read"
    return DomainReading(
        name="cpu",
        scope=EnergyScope.PROCESS,
        method=None,
        joules=None,
        origin=origin,
        reason=detail,
        window=window,
        findings=(Reason(code=ReasonCode.SAMPLES_MISSING, detail=f"cpu: {detail}"),),
        source=SOURCE,
    )


def _estimate_domain(
    name: str,
    scope: EnergyScope,
    joules: float,
    sampling_j: float | None,
    origin: str,
    window: MeasurementWindow,
    seen: _Window | None = None,
) -> DomainReading:
    model_j = MODEL_ERROR * joules
    return DomainReading(
        name=name,
        scope=scope,
        method=EnergyMethod.ESTIMATED,
        joules=joules,
        uncertainty_j=math.hypot(model_j, sampling_j or 0.0),
        uncertainty=Uncertainty(sampling_j=sampling_j, model_j=model_j, model_origin=MODEL_ORIGIN),
        evidence=None if seen is None else seen.evidence,
        findings=() if seen is None else seen.findings,
        origin=origin,
        window=window,
        source=SOURCE,
    )
