from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from llenergymeasure.config.backend_configs import ZeusConfig
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.core.energy_backends.gpu.absent import LibraryMissingError
from llenergymeasure.core.energy_backends.zeus import backend as zeus
from llenergymeasure.core.energy_backends.zeus import gpus as zeus_gpus
from llenergymeasure.core.energy_backends.zeus.backend import ZeusBackend
from llenergymeasure.domain.energy import EnergyMethod, EnergyReading
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.exceptions import EnergyBackendError, EnergyDevicesError

pytest.importorskip("zeus", reason="zeus is not installed: pip install zeus")


class Polling:
    """As PowerMonitor: reads the GPUs that do not count energy, in processes of its own."""

    def __init__(self, gpu_indices: list[int]) -> None:
        self.gpu_indices = gpu_indices
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


class Monitor:
    """As ZeusMonitor, with the joules that a test wants."""

    def __init__(self, joules: dict[int, Any], polled: list[int] | None = None) -> None:
        self.joules = joules
        self.gpu_indices = list(joules)
        self.gpus = SimpleNamespace(
            gpus=[SimpleNamespace(gpu_index=10 + index) for index in range(4)]
        )
        self.power_monitor = Polling(polled) if polled else None
        self.open: set[str] = set()
        self.error: Exception | None = None

    def begin_window(self, key: str, sync_execution: bool = True) -> None:
        assert not sync_execution, "waiting for the GPU is the caller's, and not Zeus' framework's"
        self._fail()
        self.open.add(key)

    def end_window(self, key: str, sync_execution: bool = True) -> Any:
        self.open.remove(key)
        self._fail()
        warnings.warn("0 J", stacklevel=1)
        return SimpleNamespace(gpu_energy=dict(self.joules))

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def backend(monkeypatch: pytest.MonkeyPatch, monitor: Monitor) -> ZeusBackend:
    monkeypatch.setattr(zeus, "_new_monitor", lambda devices: monitor)
    monkeypatch.setattr(zeus_gpus, "_uuids", lambda: {10: "GPU-a"})
    return ZeusBackend(ZeusConfig())


def read(monkeypatch: pytest.MonkeyPatch, monitor: Monitor) -> EnergyReading:
    source = backend(monkeypatch, monitor)
    source.prepare()
    source.start()
    return source.stop()


def test_counters_and_polled_power_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor({0: 5.0, 1: 7.0}, polled=[1])
    source = backend(monkeypatch, monitor)
    source.prepare()
    source.start()
    counter, power = source.stop().domains
    assert (counter.name, counter.device_id, counter.method) == (
        "gpu:10",
        "GPU-a",
        EnergyMethod.COUNTER,
    )
    assert (power.name, power.device_id, power.method) == ("gpu:11", None, EnergyMethod.INTEGRATED)
    assert (counter.joules, power.joules) == (5.0, 7.0)
    assert power.origin is not None
    assert power.origin.endswith("power, polled")
    source.close()
    assert monitor.power_monitor is not None
    assert monitor.power_monitor.stopped


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0.0, ReasonCode.SAMPLES_MISSING),
        (-3.0, ReasonCode.COUNTER_RESET),
        (float("nan"), ReasonCode.SAMPLES_MISSING),
        (None, ReasonCode.SAMPLES_MISSING),
    ],
)
def test_what_is_no_energy_is_no_number(
    monkeypatch: pytest.MonkeyPatch, value: float | None, code: ReasonCode
) -> None:
    (domain,) = read(monkeypatch, Monitor({0: value})).domains
    assert (domain.joules, domain.method) == (None, None)
    assert domain.expected
    assert [finding.code for finding in domain.findings] == [code]


def test_a_gpu_that_it_no_longer_tells_of_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor({0: 5.0, 1: 7.0})
    source = backend(monkeypatch, monitor)
    source.prepare()
    source.start()
    del monitor.joules[1]
    there, gone = source.stop().domains
    assert there.joules == 5.0
    assert gone.joules is None


@pytest.mark.parametrize("failing_in", ["start", "stop"])
def test_a_window_that_fails_says_so_and_the_next_may_work(
    monkeypatch: pytest.MonkeyPatch, failing_in: str
) -> None:
    monitor = Monitor({0: 5.0})
    source = backend(monkeypatch, monitor)
    source.prepare()
    monitor.error = RuntimeError("torn\n  off") if failing_in == "start" else None
    source.start()
    monitor.error = RuntimeError("torn\n  off") if failing_in == "stop" else None
    (domain,) = source.stop().domains
    assert domain.reason == f"Zeus failed to {failing_in}: RuntimeError: torn off"
    monitor.error = None
    source.start()
    assert source.stop().domains[0].joules == 5.0


def test_what_zeus_cannot_do_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(devices: Any) -> Any:
        raise ValueError("invalid literal for int(): 'GPU-a'")

    monkeypatch.setattr(zeus, "_new_monitor", refuse)
    with pytest.raises(EnergyBackendError, match="Zeus cannot be set up: ValueError") as raised:
        ZeusBackend(ZeusConfig()).prepare()
    assert "CUDA_VISIBLE_DEVICES" in (raised.value.hint or "")


def test_a_gpu_that_zeus_does_not_have_is_the_users_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zeus, "_new_monitor", lambda devices: [][devices[0]])
    with pytest.raises(EnergyDevicesError, match=r"energy\.zeus\.devices: .* indices: 7"):
        ZeusBackend(ZeusConfig(devices=(7,))).prepare()


class NvmlThat:
    """The library as ``_why_no_gpu`` asks it."""

    def __init__(self, devices: list[object] | Exception) -> None:
        self._devices = devices

    def devices(self, names: object) -> list[object]:
        if isinstance(self._devices, Exception):
            raise self._devices
        return self._devices

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("nvml", "expected", "code"),
    [
        (LibraryMissingError("no driver", broken=False), False, ReasonCode.NVML_UNAVAILABLE),
        (LibraryMissingError("a mismatch", broken=True), True, ReasonCode.NVML_UNAVAILABLE),
        (NvmlThat([]), False, ReasonCode.NO_GPU),
        (NvmlThat(["a GPU"]), True, ReasonCode.NO_GPU),
        (NvmlThat(EnergyBackendError("which order?")), True, ReasonCode.NO_GPU),
    ],
)
def test_whether_there_should_be_a_gpu_is_asked_of_nvml(
    monkeypatch: pytest.MonkeyPatch, nvml: object, expected: bool, code: ReasonCode
) -> None:
    def open_nvml() -> object:
        if isinstance(nvml, Exception):
            raise nvml
        return nvml

    monkeypatch.setattr(zeus_gpus, "Nvml", open_nvml)
    (domain,) = read(monkeypatch, Monitor({})).domains
    assert (domain.name, domain.joules, domain.expected) == ("gpu", None, expected)
    assert [finding.code for finding in domain.findings] == [code]


def test_it_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    results = run_energy_conformance(
        lambda: backend(monkeypatch, Monitor({0: 5.0, 1: 0.0})), window_s=0.005
    )
    assert not [result for result in results if not result.passed]
