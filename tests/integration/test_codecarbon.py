"""The real CodeCarbon on this machine."""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from llenergymeasure.config.backend_configs import CodeCarbonConfig
from llenergymeasure.core.energy_backends.codecarbon.backend import _SETTINGS, CodeCarbonBackend
from llenergymeasure.core.energy_backends.codecarbon.rapl_access import look_for_rapl
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.core.machine.load import LoadMeter
from llenergymeasure.domain.energy import EnergyMethod, EnergyReading, EnergyScope

SPIN = "while True: pass"


@pytest.fixture(scope="module")
def backend() -> Iterator[CodeCarbonBackend]:
    made = CodeCarbonBackend(CodeCarbonConfig())
    made.prepare()
    yield made
    made.close()


def measured(backend: CodeCarbonBackend, seconds: float) -> EnergyReading:
    backend.start()
    time.sleep(seconds)
    return backend.stop()


def timed(backend: CodeCarbonBackend, seconds: float) -> tuple[EnergyReading, float, float]:
    """A reading, the time that its window lasted at least, and at most."""
    before_s = time.monotonic()
    backend.start()
    opened_s = time.monotonic()
    time.sleep(seconds)
    closing_s = time.monotonic()
    reading = backend.stop()
    return reading, closing_s - opened_s, time.monotonic() - before_s


def joules(reading: EnergyReading, name: str) -> float:
    (domain,) = [domain for domain in reading.domains if domain.name == name]
    assert domain.joules is not None, domain.reason
    return domain.joules


def test_it_keeps_the_contract() -> None:
    results = run_energy_conformance(lambda: CodeCarbonBackend(CodeCarbonConfig()))
    assert [result for result in results if not result.passed] == []


def test_a_reading_tells_what_it_is_worth(backend: CodeCarbonBackend) -> None:
    reading = measured(backend, 0.3)
    by_name = {domain.name: domain for domain in reading.domains}

    assert reading.backend == "codecarbon"
    assert reading.version
    assert not reading.replayed
    assert set(by_name) == {"cpu", "ram", "gpu"}
    assert {domain.scope for domain in reading.domains} == {EnergyScope.MACHINE}
    assert by_name["ram"].method is EnergyMethod.ESTIMATED
    assert "constant power model" in (by_name["ram"].origin or "")
    if not look_for_rapl().packages:
        assert by_name["cpu"].method is EnergyMethod.ESTIMATED
        assert "CPU load x TDP model" in (by_name["cpu"].origin or "")
    assert reading.emissions_kg_co2 is None
    assert "country_iso_code" in (reading.emissions_reason or "")


def test_the_joules_are_those_of_the_window_alone(backend: CodeCarbonBackend) -> None:
    # RAM is a constant power, so its joules tell how long CodeCarbon's own window was.
    short = timed(backend, 0.2)
    time.sleep(1.0)
    long = timed(backend, 1.0)
    # Its window lies within what start() and stop() took, and around what lies between them.
    powers_w = [
        (joules(reading, "ram") / outer_s, joules(reading, "ram") / inner_s)
        for reading, inner_s, outer_s in (short, long)
    ]
    assert max(lowest for lowest, _ in powers_w) <= min(highest for _, highest in powers_w)


def test_start_and_stop_wait_for_nothing(
    backend: CodeCarbonBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: slept.append(seconds) or sleep(seconds))
    begin_s = time.thread_time()
    backend.start()
    backend.stop()
    # The CPU's time, which a busy machine does not lengthen.
    assert time.thread_time() - begin_s < 0.5
    assert slept == []


@pytest.mark.parametrize(("country", "known"), [("FRA", True), ("XYZ", False)])
def test_emissions_need_a_country_that_exists(country: str, known: bool) -> None:
    backend = CodeCarbonBackend(CodeCarbonConfig(country_iso_code=country))
    backend.prepare()
    try:
        reading = measured(backend, 0.1)
    finally:
        backend.close()

    assert joules(reading, "ram") > 0
    assert (reading.emissions_kg_co2 is not None) is known
    assert known or "'XYZ'" in (reading.emissions_reason or "")
    assert not known or 0 < (reading.emissions_kg_co2 or 0) < 1e-3


SCRIPT = """
import json, threading, time
import psutil
from llenergymeasure.config.backend_configs import CodeCarbonConfig
from llenergymeasure.core.energy_backends.codecarbon.backend import CodeCarbonBackend

backend = CodeCarbonBackend(CodeCarbonConfig(country_iso_code="FRA"))
backend.prepare()
backend.start()
time.sleep(0.2)
reading = backend.stop()
backend.start()
backend.close()
left = [thread.name for thread in threading.enumerate()]
children = [child.pid for child in psutil.Process().children(recursive=True)]
print(json.dumps({"threads": left, "children": children, "reading": reading.model_dump_json()}))
"""


def in_a_clean_home(folder: Path, **env: str) -> tuple[dict[str, Any], str]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def test_it_is_silent_writes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    told, output = in_a_clean_home(home, PYTHONDONTWRITEBYTECODE="1")

    assert told["threads"] == ["MainThread"]
    assert told["children"] == []
    assert output.count("\n") == 1, output
    assert list(home.rglob("*")) == []


def test_the_users_own_settings_of_codecarbon_change_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    (home / ".codecarbon.config").write_text(
        "[codecarbon]\nforce_ram_power=100000\nforce_cpu_power=100000\npue=1000\n"
        "save_to_file=true\noutput_file=here.csv\nlog_level=debug\n"
        f"emissions_endpoint=http://127.0.0.1:{port}/\nco2_signal_api_token=abc\n"
        "force_carbon_intensity_g_co2e_kwh=100000000\n"
    )
    told, output = in_a_clean_home(
        home,
        PYTHONDONTWRITEBYTECODE="1",
        CODECARBON_TRACKING_MODE="process",
        CODECARBON_OUTPUT_METHODS="csv",
        CODECARBON_MEASURE_POWER_SECS="0.01",
    )
    reading = EnergyReading.model_validate_json(told["reading"])

    # The settings of above would give 20 kJ, or kilojoules by the PUE alone.
    assert 0 < joules(reading, "ram") < 1000
    assert 0 < joules(reading, "cpu") < 1000
    assert reading.emissions_kg_co2 is not None
    assert reading.emissions_kg_co2 < 1e-3
    assert output.count("\n") == 1, output
    assert [path.name for path in home.rglob("*")] == [".codecarbon.config"]
    with listener, pytest.raises(BlockingIOError):
        listener.accept()


# Names of runs, and where to send what we do not send.
HARMLESS = {
    "api_call_interval",
    "api_endpoint",
    "api_key",
    "co2_signal_api_token",
    "country_iso_code",
    "experiment_id",
    "experiment_name",
    "logging_logger",
    "metadata",
    "on_csv_write",
    "output_file",
    "project_name",
    "prometheus_url",
}


def test_every_setting_of_codecarbon_is_ours_or_harmless() -> None:
    from codecarbon import OfflineEmissionsTracker

    parameters: set[str] = set()
    for owner in OfflineEmissionsTracker.__mro__[:-1]:
        parameters |= set(inspect.signature(owner.__init__).parameters)
    switches = {name for name in parameters if name.startswith("save_to_")}

    assert set(_SETTINGS) <= parameters
    assert parameters - set(_SETTINGS) - switches - HARMLESS == {"self", "args", "kwargs"}


def busy_share(meter: LoadMeter) -> float:
    load = meter.sample()
    return ((load.own_cores or 0) + (load.other_cores or 0)) / (psutil.cpu_count() or 1)


def test_load_raises_the_estimate(backend: CodeCarbonBackend) -> None:
    if look_for_rapl().packages:
        pytest.skip("the CPU has a counter here; the load model is not used")
    meter = LoadMeter()
    idle = measured(backend, 1.0)
    idle_share = busy_share(meter)
    spinning = [
        subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(psutil.cpu_count() or 1)
    ]
    try:
        time.sleep(0.3)
        meter.sample()
        busy = measured(backend, 1.0)
        spinning_share = busy_share(meter)
    finally:
        for process in spinning:
            process.kill()
            process.wait(timeout=180)

    if idle_share > 0.6 or spinning_share < 0.9:
        pytest.skip("the machine was busy with other things, or does not give us its CPUs")
    assert joules(busy, "cpu") > 1.5 * joules(idle, "cpu")


def test_no_timer_is_left_between_windows(backend: CodeCarbonBackend) -> None:
    measured(backend, 0.05)
    deadline = time.monotonic() + 60.0
    while any(isinstance(thread, threading.Timer) for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
