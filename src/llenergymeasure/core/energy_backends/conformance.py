"""Does an energy backend keep to its contract? For our own backends and for plug-ins.

results = run_energy_conformance(lambda: MyBackend(MyOptions()))
assert all(result.passed for result in results), results

Needs nothing but the backend: a plug-in's tests call it as ours do.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from llenergymeasure.core.conformance import CheckResult
from llenergymeasure.core.energy_backends.base import (
    AdjustableSampling,
    EnergyBackend,
    SamplingEnergyBackend,
)
from llenergymeasure.deadline import StuckError, within
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import LLEnergyMeasureError

MakeBackend = Callable[[], EnergyBackend]

THREADS_END_WITHIN_S = 3.0
# A source that works passes each check within seconds, also where it sets up a driver.
CHECK_WITHIN_S = 60.0
_CLOCK_STEP_NS = 1_000_000


@dataclass(frozen=True)
class _Window:
    """One window as seen from outside, and what the backend said of it. Times in ns."""

    before_start_ns: int
    after_start_ns: int
    before_stop_ns: int
    after_stop_ns: int
    reading: EnergyReading


def run_energy_conformance(
    make: MakeBackend, *, window_s: float = 0.05, steady_power: bool = False
) -> list[CheckResult]:
    """Put backends made by ``make`` through the contract.

    Args:
        make: Makes a new, unprepared backend each time.
        window_s: Length of the windows, in s.
        steady_power: The source's power does not change, so that longer windows must hold more.

    Returns:
        One result a check, in a stable order. A check that raises has failed.
    """
    threads_before = set(threading.enumerate())
    results = [
        _checked("close_before_prepare", lambda: make().close()),
        _checked("close_is_idempotent", lambda: _close_twice(make)),
        _checked("stop_without_start_is_refused", lambda: _refuses_stop(make)),
        _checked("windows_do_not_nest", lambda: _refuses_nesting(make)),
        _checked("close_forgets_an_open_window", lambda: _close_in_window(make)),
    ]
    windows: list[_Window] = []
    results.append(
        _checked("windows_repeat", lambda: windows.extend(_three_windows(make, window_s)))
    )
    results += [
        _checked(name, partial(_check_windows, check, windows))
        for name, check in _READING_CHECKS.items()
    ]
    if steady_power:
        results.append(
            _checked(
                "longer_windows_hold_more", partial(_check_windows, _longer_holds_more, windows)
            )
        )
    results.append(_checked("samples_lie_in_the_window", lambda: _samples_fit(make, window_s)))
    results.append(_checked("no_thread_is_left", lambda: _no_thread_left(threads_before)))
    return results


class _BrokenError(Exception):
    """A check found the contract broken."""


def _checked(name: str, check: Callable[[], None]) -> CheckResult:
    try:
        within(check, CHECK_WITHIN_S, f"lem-check-{name}")
    except _BrokenError as broken:
        return CheckResult(name, passed=False, detail=str(broken))
    except StuckError as stuck:
        return CheckResult(name, passed=False, detail=f"it {stuck.message}")
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is its finding
        return CheckResult(name, passed=False, detail=f"{type(error).__name__}: {error}")
    return CheckResult(name, passed=True)


def _require(kept: bool, otherwise: str) -> None:
    if not kept:
        raise _BrokenError(otherwise)


def _check_windows(check: Callable[[list[_Window]], None], windows: list[_Window]) -> None:
    _require(bool(windows), "not checked: no window could be measured")
    check(windows)


def _close_twice(make: MakeBackend) -> None:
    backend = make()
    backend.prepare()
    backend.close()
    backend.close()


def _refuses_stop(make: MakeBackend) -> None:
    with closing(make()) as backend:
        backend.prepare()
        try:
            backend.stop()
        except LLEnergyMeasureError:
            return
        raise _BrokenError("stop() without start() gave a reading; raise EnergyBackendError")


def _refuses_nesting(make: MakeBackend) -> None:
    with closing(make()) as backend:
        backend.prepare()
        backend.start()
        try:
            backend.start()
        except LLEnergyMeasureError:
            backend.stop()
            return
        raise _BrokenError("start() in an open window was accepted; raise EnergyBackendError")


def _close_in_window(make: MakeBackend) -> None:
    backend = make()
    backend.prepare()
    backend.start()
    backend.close()


def _three_windows(make: MakeBackend, window_s: float) -> list[_Window]:
    with closing(make()) as backend:
        backend.prepare()
        return [_one_window(backend, window_s * factor) for factor in (1, 1, 3)]


def _one_window(backend: EnergyBackend, length_s: float) -> _Window:
    before_start = time.monotonic_ns()
    backend.start()
    after_start = time.monotonic_ns()
    time.sleep(length_s)
    before_stop = time.monotonic_ns()
    reading = backend.stop()
    after_stop = time.monotonic_ns()
    _require(isinstance(reading, EnergyReading), f"stop() returned {type(reading).__name__}")
    return _Window(before_start, after_start, before_stop, after_stop, reading)


def _samples_fit(make: MakeBackend, window_s: float) -> None:
    """A source that keeps samples keeps those of the last window; others have nothing to show."""
    with closing(make()) as backend:
        if not isinstance(backend, SamplingEnergyBackend):
            return
        if isinstance(backend, AdjustableSampling):
            backend.sample_every(window_s / 4)
        backend.prepare()
        seen = _one_window(backend, window_s)
        for series in backend.samples():
            _one_series_fits(series, seen)


def _one_series_fits(series: SampleSeries, seen: _Window) -> None:
    name = f"{series.quantity} of {series.device}"
    times_ns = [int(at_ns) for at_ns in series.times_ns]
    _require(bool(series.device and series.quantity), "a series without device or quantity")
    _require(
        len(times_ns) == len(series.values),
        f"{name}: {len(times_ns)} times and {len(series.values)} values",
    )
    _require(all(a < b for a, b in pairwise(times_ns)), f"{name}: times do not rise")
    _require(
        all(seen.before_start_ns <= at_ns <= seen.after_stop_ns for at_ns in times_ns),
        f"{name}: a sample lies outside of the calls of start() and stop()",
    )
    _require(
        all(math.isfinite(value) for value in series.values),
        f"{name}: a value is not finite; leave out a sample that failed",
    )


def _domains(windows: Iterable[_Window]) -> list[DomainReading]:
    return [domain for window in windows for domain in window.reading.domains]


def _times_lie_in_the_calls(windows: list[_Window]) -> None:
    for seen in windows:
        for domain in seen.reading.domains:
            window = domain.window
            if window is None:
                _require(domain.joules is None, f"{domain.name} has joules and no window")
                continue
            opened = seen.before_start_ns <= window.start_monotonic_ns <= seen.after_start_ns
            closed = seen.before_stop_ns <= window.end_monotonic_ns <= seen.after_stop_ns
            _require(opened, f"{domain.name}: the window's start is not in the call of start()")
            _require(closed, f"{domain.name}: the window's end is not in the call of stop()")
            length_ns = window.end_monotonic_ns - window.start_monotonic_ns
            _require(
                abs(window.duration_s * 1e9 - length_ns) < _CLOCK_STEP_NS,
                f"{domain.name}: duration_s {window.duration_s} is not end - start",
            )


def _joules_are_sane(windows: list[_Window]) -> None:
    for domain in _domains(windows):
        joules = domain.joules
        _require(
            joules is None or (math.isfinite(joules) and joules >= 0),
            f"{domain.name}: {joules} J; a reading is finite and not negative, or None",
        )


def _missing_has_a_reason(windows: list[_Window]) -> None:
    for domain in _domains(windows):
        _require(
            domain.joules is not None or bool(domain.reason),
            f"{domain.name}: joules are None and no reason is given",
        )


def _numbers_have_a_method(windows: list[_Window]) -> None:
    for domain in _domains(windows):
        _require(
            (domain.joules is None) == (domain.method is None),
            f"{domain.name}: method {domain.method} with joules {domain.joules}",
        )


def _estimates_have_an_origin(windows: list[_Window]) -> None:
    for domain in _domains(windows):
        _require(
            domain.method is not EnergyMethod.ESTIMATED or bool(domain.origin),
            f"{domain.name}: estimated, and not said by which model",
        )


def _emissions_are_explained(windows: list[_Window]) -> None:
    for seen in windows:
        kg, reason = seen.reading.emissions_kg_co2, seen.reading.emissions_reason
        if kg is None:
            _require(bool(reason), "emissions are None and no reason is given")
        else:
            _require(math.isfinite(kg) and kg >= 0, f"emissions are {kg} kg")


def _domain_names_are_unique(windows: list[_Window]) -> None:
    for seen in windows:
        names = [domain.name for domain in seen.reading.domains]
        _require(len(names) == len(set(names)), f"a domain appears twice: {', '.join(names)}")


def _domains_are_stable(windows: list[_Window]) -> None:
    seen = [
        (w.reading.backend, tuple((d.name, d.scope, d.device_id) for d in w.reading.domains))
        for w in windows
    ]
    _require(len(set(seen)) == 1, f"backend, domains or scopes change between windows: {seen}")


def _readings_survive_storage(windows: list[_Window]) -> None:
    for seen in windows:
        stored = seen.reading.model_dump_json()
        _require(
            EnergyReading.model_validate_json(stored) == seen.reading,
            "a reading is not the same after it was stored as JSON",
        )


def _longer_holds_more(windows: list[_Window]) -> None:
    by_length = sorted(windows, key=lambda w: w.before_stop_ns - w.after_start_ns)
    short, long = by_length[0].reading, by_length[-1].reading
    for less, more in zip(short.domains, long.domains, strict=True):
        if less.joules is not None and more.joules is not None:
            _require(
                more.joules >= less.joules,
                f"{less.name}: {more.joules} J in a longer window than that with {less.joules} J",
            )


def _no_thread_left(before: set[threading.Thread]) -> None:
    give_up = time.monotonic() + THREADS_END_WITHIN_S
    ours = {*before, threading.current_thread()}
    while left := [t for t in threading.enumerate() if t not in ours]:
        if time.monotonic() > give_up:
            raise _BrokenError(f"still running after close(): {', '.join(t.name for t in left)}")
        time.sleep(0.01)


_READING_CHECKS: dict[str, Callable[[list[_Window]], None]] = {
    "window_lies_in_the_calls": _times_lie_in_the_calls,
    "joules_are_finite_and_not_negative": _joules_are_sane,
    "missing_has_a_reason": _missing_has_a_reason,
    "numbers_have_a_method": _numbers_have_a_method,
    "estimates_have_an_origin": _estimates_have_an_origin,
    "emissions_are_explained": _emissions_are_explained,
    "domain_names_are_unique": _domain_names_are_unique,
    "domains_are_stable": _domains_are_stable,
    "readings_survive_storage": _readings_survive_storage,
}
