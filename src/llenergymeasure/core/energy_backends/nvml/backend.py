"""NVIDIA GPUs by their own energy counter, with power over the same window as its witness."""

from __future__ import annotations

from collections.abc import Callable

from llenergymeasure.config.backend_configs import NvmlConfig
from llenergymeasure.core.energy_backends.gpu.absent import LibraryMissingError, no_gpu, window_of
from llenergymeasure.core.energy_backends.gpu.backend import (
    CountedDevice,
    CounterBackend,
    Found,
    Watched,
)
from llenergymeasure.core.energy_backends.gpu.findings import gate_findings
from llenergymeasure.core.energy_backends.gpu.reading import device_reading
from llenergymeasure.core.energy_backends.gpu.sensor_gain import sensor_gain
from llenergymeasure.core.energy_backends.nvml.devices import Nvml, NvmlDevice
from llenergymeasure.core.energy_backends.nvml.naming import (
    SOURCE,
    binding_version,
    domain_of,
)
from llenergymeasure.core.processes.ownership import ProcessTree, sees_host_pids
from llenergymeasure.domain.energy import DomainReading
from llenergymeasure.domain.validity import ReasonCode


class NvmlBackend(CounterBackend):
    """The joules of this machine's NVIDIA GPUs, and how these fared meanwhile.

    Args:
        options: The ``energy.nvml`` section.
    """

    source = SOURCE
    library = "NVML"

    def __init__(self, options: NvmlConfig, open_nvml: Callable[[], Nvml] = Nvml) -> None:
        super().__init__(options.interval_ms)
        self._names = options.devices
        self._open_nvml = open_nvml
        self._nvml: Nvml | None = None

    def _find(self) -> Found:
        try:
            self._nvml = self._open_nvml()
            devices = self._nvml.devices(self._names)
        except LibraryMissingError as error:
            # Whoever names GPUs expects them.
            expected = error.broken or self._names is not None
            code = ReasonCode.NVML_UNAVAILABLE
            return Found(without=[no_gpu(SOURCE, code, str(error), expected=expected)])
        if not devices:
            detail = "NVML shows no GPU that this process may use"
            return Found(without=[no_gpu(SOURCE, ReasonCode.NO_GPU, detail, expected=False)])
        tree = ProcessTree() if sees_host_pids() else None
        return Found(devices=[_make_device(device) for device in devices], tree=tree)

    def _release(self) -> None:
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.close()

    def _reading(self, one: Watched) -> DomainReading:
        track, domain = one.track, one.device.domain
        reading = device_reading(track, domain, sensor_gain(one.device.name), window_of(track))
        seen = gate_findings(domain.name, one.telemetry, track.start_ns, track.end_ns)
        return reading.model_copy(update={"findings": (*reading.findings, *seen)})

    def _version(self) -> str | None:
        return binding_version()


def _make_device(device: NvmlDevice) -> CountedDevice:
    return CountedDevice(device, device.state(), device.name, domain_of(device))
