"""A GPU on a virtual clock: closed-form power, registers that step, and reads that take time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from llenergymeasure.core.energy_backends.device_reading import device_reading
from llenergymeasure.core.energy_backends.device_track import DeviceTrack, Rhythm, SensorError
from llenergymeasure.core.energy_backends.nvml_watch import (
    Timing,
    await_step,
    follow_end,
    interval_s,
    learn_rhythm,
)
from llenergymeasure.core.energy_backends.sensor_gain import SensorGain
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyScope,
    MeasurementWindow,
)


@dataclass
class VirtualTime:
    """Time that passes when somebody reads or sleeps; a sleep is always a little too long."""

    random: random.Random
    now_ns: int = 0
    late_s: float = 60e-6

    def pass_s(self, seconds: float) -> None:
        self.now_ns += max(int(seconds * 1e9), 1)

    def sleep(self, seconds: float) -> None:
        self.pass_s(seconds + self.random.expovariate(1 / self.late_s))

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
        noise_w = random.Random(round(at_s * 1e6)).uniform(-1, 1) * self.noise_w
        return int(max(self.gain * self._shown_w(at_s) + noise_w, 0.0) * 1e3)

    def _shown_w(self, at_s: float) -> float:
        average_s = self.power_averaging_ns / 1e9
        if not average_s:
            return self.curve.power_w(at_s)
        return (self.curve.energy_j(at_s) - self.curve.energy_j(at_s - average_s)) / average_s

    def _read(self, every_s: float, phase_s: float) -> float:
        self.time.pass_s(self.read_s / 2)
        now_s = self.time.now_ns / 1e9
        self.time.pass_s(self.read_s / 2)
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
    timing = gpu.time.timing
    track = DeviceTrack(gpu, rhythm or learnt(gpu), timing.now_ns)
    await_step([track], timing)
    track.open()
    until_ns = timing.now_ns() + int(seconds * 1e9)
    every_s = interval_s(track)
    while timing.now_ns() + every_s * 1e9 < until_ns:
        timing.sleep(every_s)
        track.observe()
    gpu.time.now_ns = max(until_ns, gpu.time.now_ns)
    track.close()
    follow_end([track], timing)
    window = MeasurementWindow(
        start_monotonic_ns=track.start_ns,
        end_monotonic_ns=track.end_ns,
        start_utc=datetime.now(UTC),
        duration_s=(track.end_ns - track.start_ns) / 1e9,
    )
    who = DomainReading(
        name="gpu:0", scope=EnergyScope.DEVICE, method=None, joules=None, device_id="GPU-0"
    )
    truth_j = gpu.curve.energy_j(track.end_ns / 1e9) - gpu.curve.energy_j(track.start_ns / 1e9)
    return device_reading(track, who, gain, window), truth_j
