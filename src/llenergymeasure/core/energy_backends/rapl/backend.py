"""The CPU's own energy counters (RAPL), as the kernel's powercap tree shows them.

    prepare()   the tree's counters found, and watched for 20 ms
    start()     each counter read | its window opens
                a thread reads on, so that no wrap is missed
    stop()      each counter read | its window closes

Scope is the machine: what other programs make the CPU draw is in it too.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from llenergymeasure.config.backend_configs import RaplConfig
from llenergymeasure.config.runtime_env import powercap_root
from llenergymeasure.constants import SYSTEM_POWERCAP
from llenergymeasure.core.energy_backends.poller import Poller
from llenergymeasure.core.energy_backends.rapl.counter_sum import (
    MOST_W,
    SMALLEST_RANGE_UJ,
    CounterSum,
)
from llenergymeasure.core.energy_backends.rapl.mirrors import (
    Suspicion,
    Watched,
    sockets_of_this_machine,
    suspicions,
    watch,
)
from llenergymeasure.core.energy_backends.rapl.powercap import read_uj
from llenergymeasure.core.energy_backends.rapl.reading import (
    SOURCE,
    Track,
    domain_readings,
    no_rapl,
    report_closed_tree,
    unreadable,
)
from llenergymeasure.core.energy_backends.rapl.zones import RaplDomain, rapl_domains
from llenergymeasure.core.energy_backends.window_timer import MonotonicClock, WindowTimer
from llenergymeasure.domain.energy import DomainReading, EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import EnergyBackendError

# Four readings within the shortest time in which a counter can wrap.
_READINGS_PER_WRAP = 4
# No known counter wraps as fast as that asks for; a thread that reads more often only burns CPU.
_SHORTEST_INTERVAL_S = 0.005


class RaplBackend:
    """The joules of this machine's CPU packages and their memory.

    A machine without counters, or without the right to read them, is no error: the reading says
    so.

    Args:
        options: The ``energy.rapl`` section.
        clock: Nanoseconds that the windows are timed with.
    """

    def __init__(self, options: RaplConfig, clock: MonotonicClock = time.monotonic_ns) -> None:
        self._options = options
        self._clock = clock
        self._timer = WindowTimer(clock)
        self._sample_s: float | None = None
        self._absent: DomainReading | None = None
        self._domains: list[RaplDomain] = []
        self._watched: dict[str, Watched] = {}
        self._suspicions: list[Suspicion] = []
        self._window: _Window | None = None
        self._last: list[Track] = []

    def sample_every(self, interval_s: float) -> None:
        """Read about so often, in s; more often where wraps ask for it."""
        self._sample_s = interval_s

    def prepare(self) -> None:
        """Find the counters and watch them for a moment."""
        self.close()
        root = powercap_root(self._options.root)
        try:
            self._domains = rapl_domains(root)
        except PermissionError:
            self._absent = report_closed_tree(root)
            return
        if not self._domains:
            self._absent = no_rapl(root)
            return
        self._watched = watch(self._domains, self._clock)
        sockets = sockets_of_this_machine() if root == Path(SYSTEM_POWERCAP) else None
        self._suspicions = suspicions(self._domains, self._watched, sockets)

    def start(self) -> None:
        """Read the counters; the window opens.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if not self._domains and self._absent is None:
            raise EnergyBackendError("RAPL is not prepared: call prepare() first")
        self._timer.require_closed()
        self._window = _Window(self._domains, self._clock, self._interval_s())
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Read the counters, and say what they counted.

        Raises:
            EnergyBackendError: No window is open.
        """
        window, self._window = self._window, None
        if window is not None:
            window.end()
        around = self._timer.close()
        assert window is not None, "the timer's window is ours"
        domains: tuple[DomainReading, ...]
        if self._absent is not None:
            domains = (self._absent.model_copy(update={"window": around}),)
        else:
            self._last = self._without_mirrors(window.tracks(self._watched))
            domains = domain_readings(self._last, around)
        return EnergyReading(
            backend=SOURCE,
            domains=domains,
            emissions_reason="RAPL gives no carbon intensity, only energy",
        )

    def samples(self) -> Sequence[SampleSeries]:
        """Energy since the window's start and mean power, at each reading of the last window."""
        return [series for track in self._last for series in _series(track)]

    def close(self) -> None:
        """End the thread; forgets an open window."""
        window, self._window = self._window, None
        if window is not None:
            window.abandon()
        self._timer.forget()
        self._domains, self._suspicions, self._absent = [], [], None

    def _interval_s(self) -> float:
        asked_s = self._options.interval_ms / 1e3
        if self._sample_s is not None:
            asked_s = min(asked_s, self._sample_s)
        wraps_s = (
            (domain.range_uj or SMALLEST_RANGE_UJ) / 1e6 / MOST_W[domain.kind]
            for domain in self._domains
        )
        needed_s = min(wraps_s, default=asked_s) / _READINGS_PER_WRAP
        return min(asked_s, max(needed_s, _SHORTEST_INTERVAL_S))

    def _without_mirrors(self, tracks: list[Track]) -> list[Track]:
        """Leave out what repeats another counter; a suspicion that fails once is given up."""
        by_name = {track.domain.name: track for track in tracks}
        self._suspicions = [
            suspicion
            for suspicion in self._suspicions
            if suspicion.holds(by_name[suspicion.original.name].step_uj()) is not False
        ]
        # One that could not be read all the while may have been a socket of its own after all.
        mirrors = {
            suspicion.mirror.name
            for suspicion in self._suspicions
            if not by_name[suspicion.mirror.name].count.failed
        }
        return [track for track in tracks if track.domain.name not in mirrors]


class _Window:
    """The counters from a first reading to a last one, and a thread that reads in between."""

    def __init__(
        self, domains: Sequence[RaplDomain], clock: MonotonicClock, every_s: float
    ) -> None:
        self._domains = domains
        self._clock = clock
        self._lock = threading.RLock()
        self._ended = False
        self._slacks_ns = {domain.name: 0 for domain in domains}
        self._sums = {d.name: CounterSum(d.file, d.kind, d.range_uj) for d in domains}
        self._read_all(edge=True)
        self._poller = Poller(self._read_all, every_s, "lem-rapl") if domains else None

    def end(self) -> None:
        """Read a last time."""
        with self._lock:
            self._read_all(edge=True)
            self._ended = True
        self.abandon()

    def abandon(self) -> None:
        """End the thread."""
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.stop()

    def tracks(self, watched: dict[str, Watched]) -> list[Track]:
        """What was seen of each domain."""
        return [
            Track(d, self._sums[d.name], self._slacks_ns[d.name], watched.get(d.name, Watched()))
            for d in self._domains
        ]

    def _read_all(self, *, edge: bool = False) -> None:
        with self._lock:
            if self._ended:
                return
            for domain in self._domains:
                if not self._sums[domain.name].failed:
                    self._read(domain, edge=edge)

    def _read(self, domain: RaplDomain, *, edge: bool) -> None:
        count = self._sums[domain.name]
        before_ns = self._clock()
        try:
            value_uj = read_uj(domain.file)
        except (OSError, ValueError) as error:
            count.fail(unreadable(domain.file, error))
            return
        after_ns = self._clock()
        count.add((before_ns + after_ns) // 2, value_uj)
        if edge:
            self._slacks_ns[domain.name] += (after_ns - before_ns) // 2


def _series(track: Track) -> list[SampleSeries]:
    times_ns, totals_uj = track.count.times_ns, track.count.totals_uj
    if track.count.fault is not None:
        return []
    steps = zip(itertools.pairwise(times_ns), itertools.pairwise(totals_uj), strict=True)
    power_w = [(after - before) / (end - start) * 1e3 for (start, end), (before, after) in steps]
    name = track.domain.name
    return [
        SampleSeries(name, "energy_j", list(times_ns), [total / 1e6 for total in totals_uj]),
        SampleSeries(name, "power_w", list(times_ns[1:]), power_w),
    ]
