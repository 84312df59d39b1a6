"""What sources share whose devices count energy and tell power: the life of a window.

    prepare()   devices found, their registers' rhythm learnt            (0.4 s, in a thread)
    start()     the counters are watched until they step | window opens at that step
                (a thread reads power, and how the devices fare)
    stop()      window closes | the counters are followed to their next step, the tail taken off

Each device has a window of its own, which opened at its own counter's step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from llenergymeasure.core.energy_backends.gpu.conditions import conditions_of, series_of
from llenergymeasure.core.energy_backends.gpu.edges import (
    Timing,
    await_step,
    follow_end,
    interval_s,
    learn_rhythm,
)
from llenergymeasure.core.energy_backends.gpu.sampler import Sampler
from llenergymeasure.core.energy_backends.gpu.telemetry import State, Telemetry
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack, Rhythm, Sensor
from llenergymeasure.core.energy_backends.window_timer import WindowTimer
from llenergymeasure.core.processes.ownership import ProcessTree
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import DomainReading, EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.exceptions import EnergyBackendError

STATE_INTERVAL_S = 0.1
"""How often load, heat, clocks and throttling are read, unless ``sample_every`` says otherwise."""


@dataclass(frozen=True)
class CountedDevice:
    """A device to measure.

    Attributes:
        sensor: Reads its energy and power.
        state: Reads how it fares.
        name: Of the product.
        domain: Its reading without a number.
        rhythm: How often its registers are updated.
    """

    sensor: Sensor
    state: State
    name: str
    domain: DomainReading
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(frozen=True)
class Found:
    """What there is to measure.

    Attributes:
        devices: Those with a sensor.
        without: What is said of those without one, or of there being none at all.
        tree: Whose processes are ours; None where that cannot be told.
    """

    devices: Sequence[CountedDevice] = ()
    without: Sequence[DomainReading] = ()
    tree: ProcessTree | None = None


@dataclass(frozen=True)
class Watched:
    """A device in one window."""

    device: CountedDevice
    track: DeviceTrack
    telemetry: Telemetry


class CounterBackend(ABC):
    """The joules of devices by their counters, and how these fared meanwhile.

    A machine without such devices is no error: the reading says so.

    Args:
        interval_ms: Time between two readings of power; None follows the sensors' own updates.

    Attributes:
        source: Name of the energy backend.
        library: What the devices are read through, in words.
    """

    source: ClassVar[str]
    library: ClassVar[str]

    def __init__(self, interval_ms: float | None) -> None:
        self._interval_ms = interval_ms
        self._timing = Timing()
        self._timer = WindowTimer()
        self._sample_every_s: float | None = None
        self._found: Found | None = None
        self._open: list[Watched] = []
        self._closed: list[Watched] = []
        self._sampler: Sampler | None = None

    @abstractmethod
    def _find(self) -> Found:
        """Open the library and find the devices.

        Raises:
            EnergyBackendError: A device that the config or the environment names is not clear.
        """

    @abstractmethod
    def _release(self) -> None:
        """Give the library back; it may not be open."""

    @abstractmethod
    def _reading(self, one: Watched) -> DomainReading:
        """What a device's window held."""

    @abstractmethod
    def _version(self) -> str | None:
        """Of the library's binding."""

    def sample_every(self, interval_s: float) -> None:
        """Read the devices' state about so often, and thin power and energy to that."""
        self._sample_every_s = interval_s

    def prepare(self) -> None:
        """Find the devices and watch them for a moment.

        Raises:
            EnergyBackendError: A device that the config or the environment names is not clear.
        """
        self.close()
        try:
            found = self._find()
        except EnergyBackendError:
            self.close()
            raise
        self._found = replace(found, devices=self._learnt(found.devices))

    def start(self) -> None:
        """Wait for the counters to step; the window opens there.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if self._found is None:
            raise EnergyBackendError(f"{self.library} is not prepared: call prepare() first")
        self._timer.require_closed()
        self._closed = []
        self._open = [
            self._watch_device(device, self._found.tree) for device in self._found.devices
        ]
        tracks = [one.track for one in self._open]
        await_step(tracks, self._timing)
        for track in tracks:
            track.open()
        if self._open:
            self._sampler = self._start_sampler(tracks)
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the window, follow the counters to their next step, and say what it held.

        Raises:
            EnergyBackendError: No window is open.
        """
        tracks = [one.track for one in self._open]
        for track in tracks:
            track.close()
        window = self._timer.close()
        assert self._found is not None, "a window opens only on a prepared source"
        if self._sampler is not None:
            self._sampler.finish()
        follow_end(tracks, self._timing)
        self._end_sampler()
        for one in self._open:
            one.telemetry.look()
            one.telemetry.look_around()
        self._open, self._closed = [], self._open
        return EnergyReading(
            backend=self.source,
            version=self._version(),
            domains=(
                *(self._reading(one) for one in self._closed),
                *(d.model_copy(update={"window": window}) for d in self._found.without),
            ),
            emissions_reason=f"{self.library} gives no carbon intensity, only energy",
            conditions=tuple(_conditions(one) for one in self._closed),
        )

    def samples(self) -> Sequence[SampleSeries]:
        """Power, energy since the start, and what of the devices' state can be read."""
        every_s = self._sample_every_s
        every_ns = None if every_s is None else int(every_s * 1e9)
        return [
            series
            for one in self._closed
            for series in series_of(one.device.domain.name, one.track, one.telemetry, every_ns)
        ]

    def temperatures_c(self) -> Mapping[str, float]:
        """Degrees Celsius of each prepared device that has a sensor."""
        devices = self._found.devices if self._found else ()
        read = {device.domain.name: device.state.temperature_c() for device in devices}
        return {name: value for name, value in read.items() if value is not None}

    def close(self) -> None:
        """End the thread and give the library back; forgets an open window."""
        self._end_sampler()
        self._timer.forget()
        self._found, self._open = None, []
        self._release()

    def _learnt(self, devices: Sequence[CountedDevice]) -> list[CountedDevice]:
        tracks = [self._track(device) for device in devices]
        if tracks:
            learn_rhythm(tracks, self._timing)
        return [
            replace(device, rhythm=track.rhythm)
            for device, track in zip(devices, tracks, strict=True)
        ]

    def _watch_device(self, device: CountedDevice, tree: ProcessTree | None) -> Watched:
        telemetry = Telemetry(device.state, tree, self._timing.now_ns)
        return Watched(device, self._track(device), telemetry)

    def _track(self, device: CountedDevice) -> DeviceTrack:
        return DeviceTrack(device.sensor, device.rhythm, self._timing.now_ns)

    def _start_sampler(self, tracks: Sequence[DeviceTrack]) -> Sampler:
        asked_ms = self._interval_ms
        every_s = min(map(interval_s, tracks)) if asked_ms is None else asked_ms / 1e3
        telemetry = [one.telemetry for one in self._open]
        return Sampler(tracks, every_s, telemetry, self._sample_every_s or STATE_INTERVAL_S)

    def _end_sampler(self) -> None:
        sampler, self._sampler = self._sampler, None
        if sampler is not None:
            sampler.stop()


def _conditions(one: Watched) -> DeviceConditions:
    domain = one.device.domain
    return conditions_of(domain.name, domain.device_id, one.track, one.telemetry)
