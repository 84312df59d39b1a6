"""NVIDIA GPUs by their own energy counter, with power over the same window as its witness.

    prepare()   devices found, their registers' rhythm learnt            (0.4 s, in a thread)
    start()     the counters are watched until they step | window opens at that step
                (a thread reads power, and how the GPUs fare)
    stop()      window closes | the counters are followed to their next step, the tail taken off

Each device has a window of its own, which opened at its own counter's step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from llenergymeasure.config.backend_configs import NvmlConfig
from llenergymeasure.core.energy_backends.clock import WindowTimer
from llenergymeasure.core.energy_backends.device_reading import device_reading
from llenergymeasure.core.energy_backends.device_track import DeviceTrack, Rhythm
from llenergymeasure.core.energy_backends.nvml_conditions import conditions_of, series_of
from llenergymeasure.core.energy_backends.nvml_devices import Nvml, NvmlDevice, NvmlMissingError
from llenergymeasure.core.energy_backends.nvml_gate import gate_findings
from llenergymeasure.core.energy_backends.nvml_names import (
    SOURCE,
    binding_version,
    domain_of,
    no_domain,
    window_of,
)
from llenergymeasure.core.energy_backends.nvml_sampler import Sampler
from llenergymeasure.core.energy_backends.nvml_state import DeviceState
from llenergymeasure.core.energy_backends.nvml_telemetry import Telemetry
from llenergymeasure.core.energy_backends.nvml_watch import (
    Timing,
    await_step,
    follow_end,
    interval_s,
    learn_rhythm,
)
from llenergymeasure.core.energy_backends.process_tree import ProcessTree, sees_host_pids
from llenergymeasure.core.energy_backends.sensor_gain import sensor_gain
from llenergymeasure.domain.conditions import DeviceConditions
from llenergymeasure.domain.energy import DomainReading, EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.exceptions import EnergyBackendError

STATE_INTERVAL_S = 0.1
"""How often load, heat, clocks and throttling are read, unless ``sample_every`` says otherwise."""


@dataclass(frozen=True)
class _Gpu:
    """A prepared device."""

    device: NvmlDevice
    state: DeviceState
    rhythm: Rhythm
    domain: DomainReading


@dataclass(frozen=True)
class _Watched:
    """A device in one window."""

    gpu: _Gpu
    track: DeviceTrack
    telemetry: Telemetry


class NvmlBackend:
    """The joules of this machine's NVIDIA GPUs, and how these fared meanwhile.

    A machine without any is no error: the reading says so.

    Args:
        options: The ``energy.nvml`` section.
    """

    def __init__(self, options: NvmlConfig, open_nvml: Callable[[], Nvml] = Nvml) -> None:
        self._options = options
        self._open_nvml = open_nvml
        self._timing = Timing()
        self._timer = WindowTimer()
        self._sample_every_s: float | None = None
        self._nvml: Nvml | None = None
        self._absent: DomainReading | None = None
        self._tree: ProcessTree | None = None
        self._gpus: list[_Gpu] = []
        self._open: list[_Watched] = []
        self._closed: list[_Watched] = []
        self._sampler: Sampler | None = None

    def sample_every(self, interval_s: float) -> None:
        """Read the GPUs' state about so often, and thin power and energy of the series to that."""
        self._sample_every_s = interval_s

    def prepare(self) -> None:
        """Find the devices and watch them for a moment.

        Raises:
            EnergyBackendError: A device that the config or the environment names is not clear.
        """
        self.close()
        try:
            self._nvml = self._open_nvml()
            devices = self._nvml.devices(self._options.devices)
        except NvmlMissingError as error:
            # Whoever names GPUs expects them.
            expected = error.broken or self._options.devices is not None
            self._absent = no_domain(ReasonCode.NVML_UNAVAILABLE, str(error), expected=expected)
            return
        except EnergyBackendError:
            self.close()
            raise
        if not devices:
            detail = "NVML shows no GPU that this process may use"
            self._absent = no_domain(ReasonCode.NO_GPU, detail, expected=False)
            return
        self._tree = ProcessTree() if sees_host_pids() else None
        self._gpus = self._learnt(devices)

    def start(self) -> None:
        """Wait for the counters to step; the window opens there.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if not self._gpus and self._absent is None:
            raise EnergyBackendError("NVML is not prepared: call prepare() first")
        self._timer.require_closed()
        self._closed = []
        self._open = [self._watched(gpu) for gpu in self._gpus]
        tracks = [one.track for one in self._open]
        await_step(tracks, self._timing)
        for track in tracks:
            track.open()
        if self._open:
            self._sampler = self._started_sampler(tracks)
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
        for one in self._open:
            one.telemetry.look()
            one.telemetry.look_around()
        self._open, self._closed = [], self._open
        absent = [] if self._absent is None else [self._absent]
        return EnergyReading(
            backend=SOURCE,
            version=binding_version(),
            domains=(
                *(domain.model_copy(update={"window": window}) for domain in absent),
                *(_reading(one) for one in self._closed),
            ),
            emissions_reason="NVML tells energy, not where it comes from",
            conditions=tuple(_conditions(one) for one in self._closed),
        )

    def samples(self) -> Sequence[SampleSeries]:
        """Power, energy since the start, load, memory, heat, clocks, limit and throttling."""
        every_s = self._sample_every_s
        every_ns = None if every_s is None else int(every_s * 1e9)
        return [
            series
            for one in self._closed
            for series in series_of(one.gpu.domain.name, one.track, one.telemetry, every_ns)
        ]

    def temperatures_c(self) -> Mapping[str, float]:
        """Degrees Celsius of each prepared GPU that has a sensor."""
        read = {gpu.domain.name: gpu.state.temperature_c() for gpu in self._gpus}
        return {name: value for name, value in read.items() if value is not None}

    def close(self) -> None:
        """End the thread and give the library back; forgets an open window."""
        self._end_sampler()
        self._timer.forget()
        self._gpus, self._open, self._absent = [], [], None
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.close()

    def _learnt(self, devices: Sequence[NvmlDevice]) -> list[_Gpu]:
        tracks = [self._track(device, Rhythm()) for device in devices]
        learn_rhythm(tracks, self._timing)
        return [
            _Gpu(device, device.state(), track.rhythm, domain_of(device))
            for device, track in zip(devices, tracks, strict=True)
        ]

    def _watched(self, gpu: _Gpu) -> _Watched:
        telemetry = Telemetry(gpu.state, self._tree, self._timing.now_ns)
        return _Watched(gpu, self._track(gpu.device, gpu.rhythm), telemetry)

    def _track(self, device: NvmlDevice, rhythm: Rhythm) -> DeviceTrack:
        return DeviceTrack(device, rhythm, self._timing.now_ns)

    def _started_sampler(self, tracks: Sequence[DeviceTrack]) -> Sampler:
        asked_ms = self._options.interval_ms
        every_s = min(map(interval_s, tracks)) if asked_ms is None else asked_ms / 1e3
        telemetry = [one.telemetry for one in self._open]
        return Sampler(tracks, every_s, telemetry, self._sample_every_s or STATE_INTERVAL_S)

    def _end_sampler(self) -> None:
        sampler, self._sampler = self._sampler, None
        if sampler is not None:
            sampler.stop()


def _reading(one: _Watched) -> DomainReading:
    track, domain = one.track, one.gpu.domain
    gain = sensor_gain(one.gpu.device.name)
    reading = device_reading(track, domain, gain, window_of(track))
    seen = gate_findings(domain.name, one.telemetry, track.start_ns, track.end_ns)
    return reading.model_copy(update={"findings": (*reading.findings, *seen)})


def _conditions(one: _Watched) -> DeviceConditions:
    domain = one.gpu.domain
    return conditions_of(domain.name, domain.device_id, one.track, one.telemetry)
