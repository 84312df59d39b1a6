"""How busy the machine was: by us, and by everybody else.

CPU time is counted by the kernel in ticks of 10 ms, for the whole machine (`/proc/stat`) and for
each process; a difference of the two over a short interval is coarse.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from llenergymeasure.core.processes.cpu_time import TreeMeter
from llenergymeasure.core.processes.measurements import (
    OtherMeasurement,
    find_other_measurements,
    join_named,
)
from llenergymeasure.core.processes.orphans import find_adopter
from llenergymeasure.core.processes.ownership import find_common_root
from llenergymeasure.core.processes.proc import read_process
from llenergymeasure.domain.environment import LoadSample, MachineLoad
from llenergymeasure.domain.validity import Reason, ReasonCode

# A quarter of a core kept busy by others on average is more than an idle desktop or server does
# (0.01 to 0.1 here), and enough to shift tokens/s of a CPU run and the joules of the machine.
OTHER_CORES_LIMIT = 0.25

# Five ticks of 10 ms: what rounding alone can make of an idle machine. It raises the limit to
# 0.35 cores over 0.5 s and 0.75 over 0.1 s, and is negligible from a few seconds on.
QUANTISATION_CPU_S = 0.05

# Below two ticks nothing can be said.
MIN_INTERVAL_S = 0.02

_NOT_BUSY = frozenset({"idle", "iowait", "guest", "guest_nice"})


@dataclass(frozen=True)
class _Counters:
    """CPU seconds used so far, and when. None where they cannot be read."""

    at_ns: int
    own_s: float | None
    busy_s: float | None
    total_s: float | None


class LoadMeter:
    """CPU use since it was made, or since the last ``sample``.

    Ours are this process, the other ranks, all that descends from them, and the parent that
    watches.

    Args:
        parent_pid: The watching process, if there is one.
    """

    def __init__(self, parent_pid: int | None = None) -> None:
        self._parent_pid = parent_pid
        self._root = find_common_root()
        self._tree = TreeMeter(self._root, adopter=find_adopter())
        self._last = self._read()

    def sample(self) -> LoadSample:
        """The load since the last call, in cores."""
        before, self._last = self._last, self._read()
        return _between(before, self._last)

    def _read(self) -> _Counters:
        busy_s, total_s = _machine_cpu_s()
        at_ns, own_s = time.monotonic_ns(), self._tree.used_s(search=True)
        above = self._parent_pid if self._parent_pid != self._root else None
        parent = None if above is None else read_process(above)
        if own_s is not None and parent is not None:
            own_s += parent.total_s
        return _Counters(at_ns=at_ns, own_s=own_s, busy_s=busy_s, total_s=total_s)


def contention_reason(load: MachineLoad, known: Iterable[OtherMeasurement] = ()) -> Reason | None:
    """Why the load during the window speaks against the result; None if it does not.

    Others may use ``OTHER_CORES_LIMIT`` cores on average, plus what rounding to clock ticks can
    feign over a window of that length (``QUANTISATION_CPU_S``).

    Args:
        load: During the window.
        known: Other measurements that were seen before; those that run now are looked for.
    """
    during = load.during
    if during is None or during.other_cores is None:
        return Reason(code=ReasonCode.LOAD_UNKNOWN, detail=_why_unknown(during))
    limit = OTHER_CORES_LIMIT + QUANTISATION_CPU_S / during.interval_s
    if during.other_cores <= limit:
        return None
    return Reason(
        code=ReasonCode.CPU_CONTENTION,
        detail=f"other processes kept {during.other_cores:.2f} cores busy during the window "
        f"(limit {limit:.2f}){_name_others(known)}; stop them, or measure when the machine is idle",
    )


def _name_others(known: Iterable[OtherMeasurement]) -> str:
    others = {other.pid: other for other in (*known, *find_other_measurements())}
    return f"; among them: {join_named(list(others.values()))}" if others else ""


def _why_unknown(during: LoadSample | None) -> str:
    if during is not None and during.interval_s < MIN_INTERVAL_S:
        return (
            f"the window of {during.interval_s * 1e3:.0f} ms is too short to tell whether other "
            "processes were busy; measure longer"
        )
    return "the CPU use of other processes could not be read, so contention cannot be ruled out"


def _between(before: _Counters, after: _Counters) -> LoadSample:
    interval_s = (after.at_ns - before.at_ns) / 1e9
    own_s = _difference(before.own_s, after.own_s)
    busy_s = _difference(before.busy_s, after.busy_s)
    # A kernel that shows frozen counters (some sandboxes) shows nothing.
    counted = bool(_difference(before.total_s, after.total_s))
    readable = interval_s >= MIN_INTERVAL_S
    own_cores = own_s / interval_s if own_s is not None and readable else None
    other_cores = None
    if own_s is not None and busy_s is not None and counted and readable:
        # Ticks of the two counts are not rounded alike: ours may seem to exceed the machine's.
        other_cores = max(busy_s - own_s, 0.0) / interval_s
    return LoadSample(
        interval_s=interval_s,
        own_cores=own_cores,
        other_cores=other_cores,
        load_average_1m=_load_average(),
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(after - before, 0.0)


def _machine_cpu_s() -> tuple[float | None, float | None]:
    """Busy and total CPU seconds of the machine. Stolen time is busy: others had it."""
    try:
        times = psutil.cpu_times()._asdict()
    except (OSError, RuntimeError, ValueError):
        return None, None
    # Guest time is contained in user time already.
    busy = sum(value for name, value in times.items() if name not in _NOT_BUSY)
    return busy, busy + times["idle"] + times.get("iowait", 0.0)


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
