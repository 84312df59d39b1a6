"""NVIDIA GPUs by their own energy counter, with power over the same window as its witness.

    prepare()   devices found, their registers' rhythm learnt            (0.4 s, in a thread)
    start()     the counters are watched until they step | window opens at that step
    stop()      window closes | the counters are followed to their next step, the tail taken off

Each device has a window of its own, which opened at its own counter's step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata

from llenergymeasure.config.backend_configs import NvmlConfig
from llenergymeasure.core.energy_backends.clock import WindowTimer
from llenergymeasure.core.energy_backends.device_reading import device_reading
from llenergymeasure.core.energy_backends.device_track import DeviceTrack, Rhythm
from llenergymeasure.core.energy_backends.nvml_devices import Nvml, NvmlDevice, NvmlMissingError
from llenergymeasure.core.energy_backends.nvml_sampler import Sampler
from llenergymeasure.core.energy_backends.nvml_watch import (
    Timing,
    await_step,
    follow_end,
    interval_s,
    learn_rhythm,
)
from llenergymeasure.core.energy_backends.sensor_gain import sensor_gain
from llenergymeasure.domain.energy import (
    DomainReading,
    EnergyReading,
    EnergyScope,
    MeasurementWindow,
)
from llenergymeasure.domain.validity import Reason, ReasonCode
from llenergymeasure.exceptions import EnergyBackendError


class NvmlBackend:
    """The joules of this machine's NVIDIA GPUs.

    A machine without any is no error: the reading says so.

    Args:
        options: The ``energy.nvml`` section.
    """

    def __init__(self, options: NvmlConfig, open_nvml: Callable[[], Nvml] = Nvml) -> None:
        self._options = options
        self._open_nvml = open_nvml
        self._timing = Timing()
        self._timer = WindowTimer()
        self._nvml: Nvml | None = None
        self._absent: DomainReading | None = None
        self._devices: list[tuple[NvmlDevice, Rhythm]] = []
        self._tracks: list[DeviceTrack] = []
        self._sampler: Sampler | None = None

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
            self._absent = _absent(ReasonCode.NVML_UNAVAILABLE, str(error), expected=error.broken)
            return
        except EnergyBackendError:
            self.close()
            raise
        if not devices:
            detail = "NVML shows no GPU that this process may use"
            self._absent = _absent(ReasonCode.NO_GPU, detail, expected=False)
            return
        tracks = [self._track(device, Rhythm()) for device in devices]
        learn_rhythm(tracks, self._timing)
        self._devices = [(t_device, t.rhythm) for t_device, t in zip(devices, tracks, strict=True)]

    def start(self) -> None:
        """Wait for the counters to step; the window opens there.

        Raises:
            EnergyBackendError: Not prepared, or a window is open.
        """
        if not self._devices and self._absent is None:
            raise EnergyBackendError("NVML is not prepared: call prepare() first")
        self._timer.require_closed()
        self._tracks = [self._track(device, rhythm) for device, rhythm in self._devices]
        await_step(self._tracks, self._timing)
        for track in self._tracks:
            track.open()
        if self._tracks:
            self._sampler = Sampler(self._tracks, self._interval_s())
        self._timer.open()

    def stop(self) -> EnergyReading:
        """Close the window, follow the counters to their next step, and say what it held.

        Raises:
            EnergyBackendError: No window is open.
        """
        for track in self._tracks:
            track.close()
        window = self._timer.close()
        self._end_sampler()
        follow_end(self._tracks, self._timing)
        domains = (
            (self._absent.model_copy(update={"window": window}),)
            if self._absent is not None
            else tuple(
                self._reading(device, track)
                for (device, _), track in zip(self._devices, self._tracks, strict=True)
            )
        )
        self._tracks = []
        return EnergyReading(
            backend="nvml",
            version=_binding_version(),
            domains=domains,
            emissions_reason="NVML tells energy, not where it comes from",
        )

    def close(self) -> None:
        """End the thread and give the library back; forgets an open window."""
        self._end_sampler()
        self._timer.forget()
        self._devices, self._tracks, self._absent = [], [], None
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.close()

    def _track(self, device: NvmlDevice, rhythm: Rhythm) -> DeviceTrack:
        return DeviceTrack(device, rhythm, self._timing.now_ns)

    def _interval_s(self) -> float:
        if self._options.interval_ms is not None:
            return self._options.interval_ms / 1e3
        return min(interval_s(track) for track in self._tracks)

    def _end_sampler(self) -> None:
        sampler, self._sampler = self._sampler, None
        if sampler is not None:
            sampler.stop()

    def _reading(self, device: NvmlDevice, track: DeviceTrack) -> DomainReading:
        return device_reading(track, _who(device), sensor_gain(device.name), _window(track))


def _who(device: NvmlDevice) -> DomainReading:
    name = f"gpu:{device.index}"
    shared = Reason(
        code=ReasonCode.MIG_SHARED,
        detail=f"{name} is divided into MIG slices: the joules are those of all of them",
    )
    return DomainReading(
        name=name,
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        device_id=device.uuid or None,
        findings=(shared,) if device.sliced else (),
    )


def _absent(code: ReasonCode, detail: str, *, expected: bool) -> DomainReading:
    return DomainReading(
        name="gpu",
        scope=EnergyScope.DEVICE,
        method=None,
        joules=None,
        expected=expected,
        reason=detail,
        findings=(Reason(code=code, detail=detail),),
    )


def _window(track: DeviceTrack) -> MeasurementWindow:
    ago = timedelta(microseconds=(time.monotonic_ns() - track.start_ns) / 1e3)
    return MeasurementWindow(
        start_monotonic_ns=track.start_ns,
        end_monotonic_ns=track.end_ns,
        start_utc=datetime.now(UTC) - ago,
        duration_s=(track.end_ns - track.start_ns) / 1e9,
    )


def _binding_version() -> str | None:
    try:
        return metadata.version("nvidia-ml-py")
    except metadata.PackageNotFoundError:
        return None
