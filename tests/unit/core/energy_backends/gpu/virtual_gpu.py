"""A GPU on a virtual clock: closed-form power, registers that step, and reads that take time."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate

from llenergymeasure.core.energy_backends.gpu.edges import (
    Timing,
    await_step,
    follow_end,
    interval_s,
    learn_rhythm,
)
from llenergymeasure.core.energy_backends.gpu.reading import device_reading
from llenergymeasure.core.energy_backends.gpu.sensor_gain import SensorGain
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Tick
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack, Rhythm, SensorError
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyScope,
    MeasurementWindow,
)


@dataclass
class VirtualTime:
    """Time that passes when somebody reads or sleeps; a sleep is always a little too long.

    Attributes:
        busy: How often somebody else has the processor when a sleep is over, from 0 to 1. How
            long they keep it has a heavy tail, from half a millisecond to nearly half a second.
    """

    random: random.Random
    now_ns: int = 0
    late_s: float = 60e-6
    busy: float = 0.0

    def pass_s(self, seconds: float) -> None:
        self.now_ns += max(int(seconds * 1e9), 1)

    def sleep(self, seconds: float) -> None:
        self.pass_s(seconds + self.random.expovariate(1 / self.late_s))
        self.others_turn(self.busy)

    def others_turn(self, chance: float) -> None:
        if chance and self.random.random() < chance:
            self.pass_s(min(0.0005 * self.random.paretovariate(1.1), 0.4))

    @property
    def timing(self) -> Timing:
        return Timing(now_ns=lambda: self.now_ns, sleep=self.sleep)


@dataclass(frozen=True)
class Curve:
    """Power and its exact integral since time 0, both of seconds."""

    power_w: Callable[[float], float]
    energy_j: Callable[[float], float]


def constant(power_w: float) -> Curve:
    return Curve(lambda t: power_w, lambda t: power_w * t)


def square(low_w: float, high_w: float, duty: float, period_s: float = 1.0) -> Curve:
    def power_w(t: float) -> float:
        return high_w if t % period_s < duty * period_s else low_w

    def energy_j(t: float) -> float:
        periods, within = divmod(t, period_s)
        high_s = periods * duty * period_s + min(within, duty * period_s)
        return low_w * t + (high_w - low_w) * high_s

    return Curve(power_w, energy_j)


def sawtooth(low_w: float, high_w: float, period_s: float = 3.0) -> Curve:
    rise_w = high_w - low_w

    def power_w(t: float) -> float:
        return low_w + rise_w * (t % period_s) / period_s

    def energy_j(t: float) -> float:
        periods, within = divmod(t, period_s)
        return low_w * t + rise_w * (periods * period_s / 2 + within**2 / (2 * period_s))

    return Curve(power_w, energy_j)


def staircase(levels_w: Sequence[float], lengths_s: Sequence[float]) -> Curve:
    """Levels one after another, and then again from the first."""
    ends_s = list(accumulate(lengths_s))
    ends_j = list(accumulate(w * s for w, s in zip(levels_w, lengths_s, strict=True)))

    def power_w(t: float) -> float:
        return levels_w[min(bisect_right(ends_s, t % ends_s[-1]), len(levels_w) - 1)]

    def energy_j(t: float) -> float:
        periods, within = divmod(t, ends_s[-1])
        at = min(bisect_right(ends_s, within), len(levels_w) - 1)
        left_j = levels_w[at] * (ends_s[at] - within)
        return periods * ends_j[-1] + ends_j[at] - left_j

    return Curve(power_w, energy_j)


CURVES = {
    "constant": constant(350.0),
    "ramp": sawtooth(80.0, 700.0),
    "square 0.1": square(80.0, 700.0, 0.1),
    "square 0.25": square(80.0, 700.0, 0.25),
    "square 0.9": square(80.0, 700.0, 0.9),
}


@dataclass
class VirtualGpu:
    """The device; see ``Sensor`` for its readable side. Times in s."""

    time: VirtualTime
    curve: Curve
    counter_s: float = 0.1
    counter_phase_s: float = 0.0
    power_s: float = 0.02
    power_phase_s: float = 0.0
    noise_w: float = 0.5
    gain: float = 1.0
    has_counter: bool = True
    power_source: str | None = "virtual"
    power_averaging_ns: int = 0
    lost: str | None = None
    lost_at_s: float = math.inf
    counter_at: Callable[[float, float], float] = field(default=lambda joules, t: joules)
    read_s: float = 20e-6

    def counter_mj(self) -> int:
        at_s = self._read(self.counter_s, self.counter_phase_s)
        return int(self.counter_at(1e6 + self.gain * self.curve.energy_j(at_s), at_s) * 1e3)

    def power_mw(self) -> int:
        at_s = self._read(self.power_s, self.power_phase_s)
        noise = round(at_s * 1e6) * 2654435761 % 2**32 / 2**31 - 1
        return int(max(self.gain * self._shown_w(at_s) + noise * self.noise_w, 0.0) * 1e3)

    def _shown_w(self, at_s: float) -> float:
        average_s = self.power_averaging_ns / 1e9
        if not average_s:
            return self.curve.power_w(at_s)
        return (self.curve.energy_j(at_s) - self.curve.energy_j(at_s - average_s)) / average_s

    def _read(self, every_s: float, phase_s: float) -> float:
        # A thread can lose the processor on either side of the moment that counts.
        self.time.others_turn(self.time.busy / 10)
        self.time.pass_s(self.read_s / 2)
        now_s = self.time.now_ns / 1e9
        self.time.pass_s(self.read_s / 2)
        self.time.others_turn(self.time.busy / 10)
        if now_s >= self.lost_at_s:
            raise SensorError("GPU is lost", lost=True)
        return phase_s + math.floor((now_s - phase_s) / every_s) * every_s


GAIN = SensorGain(0.05, "a test")


def learnt(gpu: VirtualGpu) -> Rhythm:
    """What the backend knows of a device after it was prepared."""
    track = DeviceTrack(gpu, Rhythm(), gpu.time.timing.now_ns)
    learn_rhythm([track], gpu.time.timing)
    return track.rhythm


def measure(
    gpu: VirtualGpu, seconds: float, rhythm: Rhythm | None = None, gain: SensorGain = GAIN
) -> tuple[DomainReading, float]:
    """One window as the backend makes it, and the true joules of exactly that window."""
    track = DeviceTrack(gpu, rhythm or learnt(gpu), gpu.time.timing.now_ns)
    await_step([track], gpu.time.timing)
    track.open()
    sample(gpu, track, seconds)
    track.close()
    follow_end([track], gpu.time.timing)
    return reading(track, gain), truth_j(gpu, track)


def sample(gpu: VirtualGpu, track: DeviceTrack, seconds: float) -> None:
    """Read now and then, as the sampler's thread does."""
    until_ns = gpu.time.now_ns + int(seconds * 1e9)
    every_s = interval_s(track)
    while gpu.time.now_ns + every_s * 1e9 < until_ns:
        gpu.time.sleep(every_s)
        track.observe()
    gpu.time.now_ns = max(until_ns, gpu.time.now_ns)


def reading(track: DeviceTrack, gain: SensorGain = GAIN) -> DomainReading:
    """What a closed track comes to."""
    window = MeasurementWindow(
        start_monotonic_ns=track.start_ns,
        end_monotonic_ns=track.end_ns,
        start_utc=datetime.now(UTC),
        duration_s=(track.end_ns - track.start_ns) / 1e9,
    )
    who = DomainReading(
        name="gpu:0", scope=EnergyScope.DEVICE, method=None, joules=None, device_id="GPU-0"
    )
    return device_reading(track, who, gain, window)


def truth_j(gpu: VirtualGpu, track: DeviceTrack) -> float:
    """The exact integral over a track's window."""
    return gpu.curve.energy_j(track.end_ns / 1e9) - gpu.curve.energy_j(track.start_ns / 1e9)


@dataclass(frozen=True)
class Outcome:
    """One window: error, and the interval without and with the sensor's gain, all in J."""

    truth_j: float
    error_j: float
    seen_j: float
    whole_j: float


def outcomes(
    rng: random.Random,
    curve: str,
    counter_s: float | None,
    windows: int,
    *,
    gain_spread: float = 0.0,
    busy: float = 0.0,
    noise_w: float = 0.5,
) -> list[Outcome]:
    """Windows of 10 to 11 s at random phases; none may end without a number."""
    found = []
    for _ in range(windows):
        gpu = VirtualGpu(
            VirtualTime(rng, int(rng.uniform(100, 110) * 1e9), busy=busy),
            CURVES[curve],
            counter_s=counter_s or 0.1,
            counter_phase_s=rng.random(),
            power_phase_s=rng.random(),
            has_counter=counter_s is not None,
            noise_w=noise_w,
            gain=rng.uniform(1 - gain_spread, 1 + gain_spread),
        )
        told, exact_j = measure(gpu, rng.uniform(10, 11))
        if told.joules is None or told.uncertainty is None or told.uncertainty_j is None:
            raise AssertionError(told.reason)
        parts = told.uncertainty
        found.append(
            Outcome(
                truth_j=exact_j,
                error_j=abs(told.joules - exact_j),
                seen_j=(parts.edge_j or 0.0) + (parts.sampling_j or 0.0),
                whole_j=told.uncertainty_j,
            )
        )
    return found


def part(track: DeviceTrack, start: Tick, end_ns: int) -> DeviceTrack:
    """A window within another, by the same reads, from a step of the counter on."""
    within = DeviceTrack(track.sensor, track.rhythm, lambda: 0)
    within.seen, within.start, within.start_ns, within.end_ns = (
        track.seen,
        start,
        start.at_ns,
        end_ns,
    )
    return within
