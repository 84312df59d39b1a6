"""AMD GPUs by their own energy counter, with power over the same window as its witness.

    prepare()   devices found, their registers' rhythm learnt            (0.4 s, in a thread)
    start()     the counters are watched until they step | window opens at that step
    stop()      window closes | the counters are followed to their next step, the tail taken off

Proved on a replay of the library's answers; not seen on a real GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from llenergymeasure.config.backend_configs import AmdSmiConfig
from llenergymeasure.core.energy_backends.amdsmi_devices import (
    AmdDevice,
    AmdSmi,
    AmdSmiMissingError,
)
from llenergymeasure.core.energy_backends.amdsmi_names import (
    SOURCE,
    AmdState,
    domain_of,
    no_domain,
    without_sensor,
)
from llenergymeasure.core.energy_backends.clock import WindowTimer
from llenergymeasure.core.energy_backends.device_reading import device_reading
from llenergymeasure.core.energy_backends.device_track import DeviceTrack, Rhythm
from llenergymeasure.core.energy_backends.nvml_conditions import conditions_of, series_of
from llenergymeasure.core.energy_backends.nvml_names import window_of
from llenergymeasure.core.energy_backends.nvml_sampler import Sampler
from llenergymeasure.core.energy_backends.nvml_telemetry import Telemetry
from llenergymeasure.core.energy_backends.nvml_watch import (
    Timing,
    await_step,
    follow_end,
    interval_s,
    learn_rhythm,
)
from llenergymeasure.core.energy_backends.sensor_gain import sensor_gain
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.exceptions import EnergyBackendError

_STATE_INTERVAL_S = 0.1


@dataclass(frozen=True)
class _Gpu:
    """A prepared device with a sensor."""

    device: AmdDevice
    rhythm: Rhythm
    domain: DomainReading


@dataclass(frozen=True)
class _Watched:
    """A device in one window."""

    gpu: _Gpu
    track: DeviceTrack
    telemetry: Telemetry


class AmdSmiBackend:
    """The joules of this machine's AMD GPUs.

    A machine without any is no error: the reading says so.

    Args:
        options: The ``energy.amdsmi`` section.
    """

    def __init__(self, options: AmdSmiConfig, open_smi: Callable[[], AmdSmi] = AmdSmi) -> None:
        self._options = options
        self._open_smi = open_smi
        self._timing = Timing()
        self._timer = WindowTimer()
        self._sample_every_s: float | None = None
        self._smi: AmdSmi | None = None
        self._without: list[DomainReading] = []
        self._gpus: list[_Gpu] = []
        self._open: list[_Watched] = []
        self._closed: list[_Watched] = []
        self._sampler: Sampler | None = None

    def sample_every(self, interval_s: float) -> None:
        """Thin power and energy of the series to about one sample in so many s."""
        self._sample_every_s = interval_s

    def prepare(self) -> None:
        """Find the devices and watch them for a moment.

        Raises:
            EnergyBackendError: A device that the config or the environment names is not clear.
        """
        self.close()
        try:
            self._smi = self._open_smi()
            devices = self._smi.devices(self._options.devices)
        except AmdSmiMissingError as error:
            # Whoever names GPUs expects them.
            expected = error.broken or self._options.devices is not None
            code = ReasonCode.AMDSMI_UNAVAILABLE
            self._without = [no_domain(code, str(error), expected=expected)]
            return
        except EnergyBackendError:
            self.close()
            raise
        if not devices:
            detail = "AMD SMI shows no GPU that this process may use"
            self._without = [no_domain(ReasonCode.NO_GPU, detail, expected=False)]
            return
        self._without = without_sensor(devices)
        self._gpus = self._learnt(devices)

    def start(self) -> None:
        """Wait for the counters to step; the window opens there.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if not self._gpus and not self._without:
            raise EnergyBackendError("AMD SMI is not prepared: call prepare() first")
        self._timer.require_closed()
        self._closed = []
        self._open = [self._watched(gpu) for gpu in self._gpus]
        tracks = [one.track for one in self._open]
        await_step(tracks, self._timing)
        for track in tracks:
            track.open()
        if self._open:
            telemetry = [one.telemetry for one in self._open]
            state_s = self._sample_every_s or _STATE_INTERVAL_S
            self._sampler = Sampler(tracks, self._interval_s(tracks), telemetry, state_s)
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
        if self._sampler is not None:
            self._sampler.finish()
        follow_end(tracks, self._timing)
        self._end_sampler()
        self._open, self._closed = [], self._open
        return EnergyReading(
            backend=SOURCE,
            version=_binding_version(),
            domains=(
                *(_reading(one) for one in self._closed),
                *(domain.model_copy(update={"window": window}) for domain in self._without),
            ),
            emissions_reason="AMD SMI tells energy, not where it comes from",
            conditions=tuple(_conditions(one) for one in self._closed),
        )

    def samples(self) -> Sequence[SampleSeries]:
        """Power, energy since the start and temperature of the last closed window."""
        every_s = self._sample_every_s
        every_ns = None if every_s is None else int(every_s * 1e9)
        return [
            series
            for one in self._closed
            for series in series_of(one.gpu.domain.name, one.track, one.telemetry, every_ns)
        ]

    def temperatures_c(self) -> Mapping[str, float]:
        """Degrees Celsius of each prepared GPU that has a sensor."""
        read = {gpu.domain.name: gpu.device.temperature_c() for gpu in self._gpus}
        return {name: value for name, value in read.items() if value is not None}

    def close(self) -> None:
        """End the thread and give the library back; forgets an open window."""
        self._end_sampler()
        self._timer.forget()
        self._gpus, self._open, self._without = [], [], []
        smi, self._smi = self._smi, None
        if smi is not None:
            smi.close()

    def _learnt(self, devices: Sequence[AmdDevice]) -> list[_Gpu]:
        indices = {device.index for device in devices}
        sensing = [device for device in devices if device.die_of is None]
        tracks = [DeviceTrack(device, Rhythm(), self._timing.now_ns) for device in sensing]
        learn_rhythm(tracks, self._timing)
        return [
            _Gpu(device, track.rhythm, domain_of(device, alone=device.index + 1 not in indices))
            for device, track in zip(sensing, tracks, strict=True)
        ]

    def _watched(self, gpu: _Gpu) -> _Watched:
        track = DeviceTrack(gpu.device, gpu.rhythm, self._timing.now_ns)
        return _Watched(gpu, track, Telemetry(AmdState(gpu.device), None, self._timing.now_ns))

    def _interval_s(self, tracks: Sequence[DeviceTrack]) -> float:
        asked_ms = self._options.interval_ms
        return min(map(interval_s, tracks)) if asked_ms is None else asked_ms / 1e3

    def _end_sampler(self) -> None:
        sampler, self._sampler = self._sampler, None
        if sampler is not None:
            sampler.stop()


def _reading(one: _Watched) -> DomainReading:
    device, track = one.gpu.device, one.track
    reading = device_reading(track, one.gpu.domain, sensor_gain(device.name), window_of(track))
    if reading.method is None:
        return reading
    counter = reading.method is EnergyMethod.COUNTER
    how = "energy counter" if counter else f"power ({device.power_source})"
    both = ", of both dies of the card" if device.reads_two else ""
    return reading.model_copy(update={"origin": f"AMD SMI {how}{both}"})


def _conditions(one: _Watched) -> DeviceConditions:
    domain = one.gpu.domain
    return conditions_of(domain.name, domain.device_id, one.track, one.telemetry)


def _binding_version() -> str | None:
    try:
        return metadata.version("amdsmi")
    except metadata.PackageNotFoundError:
        return None
