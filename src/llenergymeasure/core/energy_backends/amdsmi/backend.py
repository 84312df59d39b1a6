"""AMD GPUs by their own energy counter, with power over the same window as its witness.

Proved on a replay of the library's answers; not seen on a real GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata

from llenergymeasure.config.backend_configs import AmdSmiConfig
from llenergymeasure.core.energy_backends.amdsmi.devices import (
    AmdDevice,
    AmdSmi,
)
from llenergymeasure.core.energy_backends.amdsmi.naming import (
    SOURCE,
    AmdState,
    domain_of,
    origin_of,
    without_sensor,
)
from llenergymeasure.core.energy_backends.gpu.absent import LibraryMissingError, no_gpu, window_of
from llenergymeasure.core.energy_backends.gpu.backend import (
    CountedDevice,
    CounterBackend,
    Found,
    Watched,
)
from llenergymeasure.core.energy_backends.gpu.reading import device_reading
from llenergymeasure.core.energy_backends.gpu.sensor_gain import sensor_gain
from llenergymeasure.domain.energy import DomainReading
from llenergymeasure.domain.validity import ReasonCode


class AmdSmiBackend(CounterBackend):
    """The joules of this machine's AMD GPUs.

    Args:
        options: The ``energy.amdsmi`` section.
    """

    source = SOURCE
    library = "AMD SMI"

    def __init__(self, options: AmdSmiConfig, open_smi: Callable[[], AmdSmi] = AmdSmi) -> None:
        super().__init__(options.interval_ms)
        self._names = options.devices
        self._open_smi = open_smi
        self._smi: AmdSmi | None = None

    def _find(self) -> Found:
        try:
            self._smi = self._open_smi()
            devices = self._smi.devices(self._names)
        except LibraryMissingError as error:
            # Whoever names GPUs expects them.
            expected = error.broken or self._names is not None
            code = ReasonCode.AMDSMI_UNAVAILABLE
            return Found(without=[no_gpu(SOURCE, code, str(error), expected=expected)])
        if not devices:
            detail = "AMD SMI shows no GPU that this process may use"
            return Found(without=[no_gpu(SOURCE, ReasonCode.NO_GPU, detail, expected=False)])
        indices = {device.index for device in devices}
        sensing = [device for device in devices if device.die_of is None]
        return Found(
            devices=[
                _make_device(device, alone=device.index + 1 not in indices) for device in sensing
            ],
            without=without_sensor(devices),
        )

    def _release(self) -> None:
        smi, self._smi = self._smi, None
        if smi is not None:
            smi.close()

    def _reading(self, one: Watched) -> DomainReading:
        track, device = one.track, one.device
        gain = sensor_gain(device.name)
        reading = device_reading(track, device.domain, gain, window_of(track))
        origin = origin_of(reading, track.sensor.power_source, device.domain)
        return reading.model_copy(update={"origin": origin})

    def _version(self) -> str | None:
        try:
            return metadata.version("amdsmi")
        except metadata.PackageNotFoundError:
            return None


def _make_device(device: AmdDevice, *, alone: bool) -> CountedDevice:
    return CountedDevice(device, AmdState(device), device.name, domain_of(device, alone=alone))
