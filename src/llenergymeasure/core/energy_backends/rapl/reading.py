"""What a counter's sum of one window is worth, as a reading."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llenergymeasure.core.energy_backends.gpu.sensor_gain import SensorGain
from llenergymeasure.core.energy_backends.rapl.counter_sum import CounterSum
from llenergymeasure.core.energy_backends.rapl.mirrors import WATCH_NS, Watched
from llenergymeasure.core.energy_backends.rapl.zones import Kind, RaplDomain
from llenergymeasure.core.energy_backends.window_timer import past_window
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyMethod,
    EnergyScope,
    Evidence,
    MeasurementWindow,
    Uncertainty,
)
from llenergymeasure.domain.validity import Reason, ReasonCode

SOURCE = "rapl"

# No error against a meter is published for most processors, and what there is differs by
# processor and load. Desrochers, Paradis, Weaver, "A Validation of DRAM RAPL Power Measurements"
# (2016) find memory off by a constant that weighs most when idle.
GAINS: dict[Kind, SensorGain] = {
    "cpu": SensorGain(0.10, "assumed: 10 % for a package; none is published for this processor"),
    "ram": SensorGain(0.20, "assumed: 20 % for memory (doi 10.1145/2989081.2989088: an offset)"),
    "psys": SensorGain(0.20, "assumed: 20 %; what psys covers differs by machine"),
}

UDEV_RULE = 'SUBSYSTEM=="powercap", ACTION=="add", RUN+="/bin/chmod o+r /sys%p/energy_uj"'
UDEV_FILE = "/etc/udev/rules.d/70-rapl.rules"

# The highest power is looked for over stretches of so many updates, or a step would pass for one.
_UPDATES_PER_STRETCH = 20


@dataclass(frozen=True)
class Track:
    """One domain over one window.

    Attributes:
        domain: What was read.
        count: Its sum.
        slack_ns: How long the reads at both ends took: the time of a value is not known better.
        watched: What it showed before, when it was read as fast as possible.
    """

    domain: RaplDomain
    count: CounterSum
    slack_ns: int
    watched: Watched

    @property
    def update_ns(self) -> int | None:
        """How often the counter steps; None if that was not seen."""
        return self.watched.update_ns()

    def step_uj(self) -> int:
        """What one step of the counter came to at most; 0 where none was seen."""
        update_ns = self.update_ns or 0
        return round(self._fastest_w() * update_ns / 1e3)

    def edge_j(self) -> float:
        """What lies between the window's ends and the counter's steps.

        Both ends show a step that is up to one update old. They err in opposite directions, which
        is why the start is not moved to a step: then only one of them would err.
        """
        update_ns = self.update_ns if self.update_ns is not None else WATCH_NS
        return self._fastest_w() * (update_ns + self.slack_ns) / 1e9

    def _fastest_w(self) -> float:
        update_ns = self.update_ns if self.update_ns is not None else WATCH_NS
        # Between the ends of a short window the counter may not have stepped at all.
        return max(self.count.fastest_w(_UPDATES_PER_STRETCH * update_ns), self.watched.power_w())


def domain_readings(
    tracks: Sequence[Track], window: MeasurementWindow
) -> tuple[DomainReading, ...]:
    """The readings of all domains; ``window`` is that of those which have none of their own."""
    closed = _report_unreadable([track.domain for track in tracks if _is_closed(track.count.fault)])
    return tuple(_reading(track, window, closed) for track in tracks)


def unreadable(file: Path, error: Exception) -> Reason:
    """Why a counter has no value."""
    if isinstance(error, PermissionError):
        return Reason(
            code=ReasonCode.RAPL_UNREADABLE, detail=f"{file} may not be read by this user"
        )
    detail = f"{file} could not be read: {_words(error)}"
    return Reason(code=ReasonCode.SAMPLES_MISSING, detail=detail)


def no_rapl(root: Path) -> DomainReading:
    """A machine that has no such counters."""
    detail = f"there is no RAPL counter under {root}"
    return _absent(Reason(code=ReasonCode.NO_RAPL, detail=detail), expected=False)


def report_closed_tree(root: Path) -> DomainReading:
    """A tree that may not even be listed."""
    detail = f"{root} may not be listed by this user"
    return _absent(Reason(code=ReasonCode.RAPL_UNREADABLE, detail=detail), expected=True)


def _absent(finding: Reason, *, expected: bool) -> DomainReading:
    return DomainReading(
        name="cpu",
        scope=EnergyScope.MACHINE,
        method=None,
        joules=None,
        expected=expected,
        reason=finding.detail,
        findings=(finding,),
        source=SOURCE,
    )


def _reading(track: Track, around: MeasurementWindow, closed: Reason | None) -> DomainReading:
    domain, fault = track.domain, track.count.fault
    times_ns = track.count.times_ns
    who = DomainReading(
        name=domain.name,
        scope=EnergyScope.MACHINE,
        method=None,
        joules=None,
        origin=f"RAPL {domain.zone.name} counter ({domain.zone.folder})",
        window=around if fault is not None else past_window(times_ns[0], times_ns[-1]),
        evidence=_evidence(track),
        source=SOURCE,
        counted=domain.counted,
    )
    if fault is None:
        return _with_number(who, track)
    if _is_unused(track, fault):
        reason = f"{domain.file} stays at 0: nothing is behind it on this machine"
        return who.model_copy(update={"expected": False, "reason": reason})
    told = closed if closed is not None and _is_closed(fault) else _prefix_name(who.name, fault)
    # psys is beside the total, so what is wrong with it does not speak against the result.
    findings = (told,) if domain.counted else ()
    return who.model_copy(update={"reason": fault.detail, "findings": findings})


def _is_closed(fault: Reason | None) -> bool:
    return fault is not None and fault.code is ReasonCode.RAPL_UNREADABLE


def _is_unused(track: Track, fault: Reason) -> bool:
    frozen = fault.code is ReasonCode.COUNTER_FROZEN
    return frozen and track.domain.kind != "cpu" and not track.count.fed


def _prefix_name(name: str, fault: Reason) -> Reason:
    return Reason(code=fault.code, detail=f"{name}: {fault.detail}")


def _report_unreadable(domains: Sequence[RaplDomain]) -> Reason | None:
    """One finding for all counters that may not be read, so that the remedy is told once."""
    if not domains:
        return None
    names = ", ".join(domain.name for domain in domains)
    files = " ".join(shlex.quote(str(domain.file)) for domain in domains)
    detail = (
        f"{names}: this user may not read the counters; until the next boot: "
        f"sudo chmod o+r {files}; for good, put this line into {UDEV_FILE}: {UDEV_RULE}"
    )
    return Reason(code=ReasonCode.RAPL_UNREADABLE, detail=detail)


def _with_number(who: DomainReading, track: Track) -> DomainReading:
    joules = track.count.total_uj / 1e6
    gain = GAINS[track.domain.kind]
    parts = Uncertainty(
        edge_j=track.edge_j(), gain_j=gain.uncertainty_j(joules), gain_origin=gain.origin
    )
    return who.model_copy(
        update={
            "method": EnergyMethod.COUNTER,
            "joules": joules,
            "uncertainty_j": math.hypot(parts.edge_j or 0.0, parts.gain_j or 0.0),
            "uncertainty": parts,
        }
    )


def _evidence(track: Track) -> Evidence:
    count = track.count
    return Evidence(
        counter_update_ms=track.update_ns / 1e6 if track.update_ns is not None else None,
        samples=count.samples,
        longest_gap_s=count.longest_gap_ns / 1e9 if count.samples > 1 else None,
        wraps=count.wraps,
    )


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it does not hold a number"
