from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.core.energy_backends.codecarbon.domains import MachineSources
from llenergymeasure.core.energy_backends.codecarbon.emissions import emissions
from llenergymeasure.core.energy_backends.codecarbon.rapl_access import RaplState
from llenergymeasure.core.machine.nvml_facts import NvmlGpu
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, MeasurementWindow
from llenergymeasure.domain.validity import ReasonCode, ValidityStatus, judge

NO_RAPL = RaplState()
RAPL = RaplState(packages=1, readable=1, wrap_j=65_532.0, example=Path("energy_uj"))
HARDWARE = {"cpu_model": "AMD EPYC", "ram_total_size": 23.54, "gpu_count": 0, "gpu_ids": None}
H200 = NvmlGpu("NVIDIA H200", counts_energy=True)


@dataclass
class Data:
    """The fields of CodeCarbon's EmissionsData that we read, in kWh and kg."""

    cpu_energy: Any = 1e-6
    ram_energy: Any = 2e-6
    gpu_energy: Any = 3e-6
    emissions: Any = 4e-7
    country_name: Any = "France"


def window(duration_s: float = 10.0) -> MeasurementWindow:
    return MeasurementWindow(
        start_monotonic_ns=0,
        end_monotonic_ns=round(duration_s * 1e9),
        start_utc=datetime.now(UTC),
        duration_s=duration_s,
    )


def read(
    data: Data | None = None,
    *,
    rapl: RaplState = NO_RAPL,
    gpus: tuple[NvmlGpu, ...] = (),
    rapl_now: RaplState | None = None,
    duration_s: float = 10.0,
    **hardware: Any,
) -> dict[str, DomainReading]:
    sources = MachineSources(
        version="3.3.2", hardware={**HARDWARE, **hardware}, rapl=rapl, gpus=gpus
    )
    readings = sources.readings(data or Data(), window(duration_s), rapl_now or rapl)
    assert tuple(reading.name for reading in readings) == sources.names
    for reading in readings:
        assert reading.source == "codecarbon"
        lost = reading.expected and reading.joules is None
        assert [judge([f]).status for f in reading.findings] == [ValidityStatus.INVALID] * lost
        assert (reading.joules is None) == (reading.method is None)
        assert (reading.joules is None) == (reading.reason is not None)
        assert reading.uncertainty_j is None
    return {reading.name: reading for reading in readings}


def test_without_counters_all_is_estimated_and_says_so() -> None:
    found = read()

    assert found["cpu"].joules == pytest.approx(3.6)
    assert found["cpu"].method is EnergyMethod.ESTIMATED
    assert found["cpu"].origin == (
        "CodeCarbon 3.3.2, CPU load x TDP model of AMD EPYC (no RAPL counter here)"
    )
    assert found["ram"].joules == pytest.approx(7.2)
    assert found["ram"].method is EnergyMethod.ESTIMATED
    assert found["ram"].origin == "CodeCarbon 3.3.2, constant power model of 24 GiB"
    assert found["gpu"].joules is None
    assert not found["gpu"].expected
    assert found["gpu"].reason == "no GPU found"


def test_a_readable_rapl_makes_the_cpu_a_counter_and_the_memory_stays_an_estimate() -> None:
    found = read(rapl=RAPL)

    assert found["cpu"].method is EnergyMethod.COUNTER
    assert "RAPL" in (found["cpu"].origin or "")
    assert found["ram"].method is EnergyMethod.ESTIMATED


def test_a_rapl_that_only_root_can_read_is_an_estimate_and_names_the_file() -> None:
    found = read(rapl=RaplState(packages=1, readable=0, example=Path("p/energy_uj")))

    assert found["cpu"].method is EnergyMethod.ESTIMATED
    assert "p/energy_uj" in (found["cpu"].origin or "")


def test_half_of_the_sockets_is_no_reading() -> None:
    found = read(rapl=RaplState(packages=2, readable=1, example=Path("p/energy_uj")))

    assert found["cpu"].joules is None
    assert found["cpu"].expected
    assert "only 1 of 2" in (found["cpu"].reason or "")


def code(reading: DomainReading) -> ReasonCode:
    (finding,) = reading.findings
    assert reading.name in finding.detail
    return finding.code


@pytest.mark.parametrize(
    ("packages", "wrap_j", "duration_s", "lost"),
    [
        (1, 65_532.0, 65.0, False),
        (1, 65_532.0, 66.0, True),
        # Two packages of 500 W and more, each with a counter of its own.
        (2, 65_532.0, 32.0, False),
        (2, 65_532.0, 33.0, True),
        (1, 262_143.0, 262.0, False),
        (1, 262_143.0, 263.0, True),
    ],
)
def test_a_window_in_which_rapl_can_wrap_has_no_joules(
    packages: int, wrap_j: float, duration_s: float, lost: bool
) -> None:
    rapl = RaplState(packages, packages, wrap_j, Path("energy_uj"))
    found = read(rapl=rapl, duration_s=duration_s)

    assert (found["cpu"].joules is None) is lost
    if lost:
        assert code(found["cpu"]) is ReasonCode.COUNTER_WRAP_RISK


@pytest.mark.parametrize("duration_s", [0.01, 1.0, 30.0, 65.0])
@pytest.mark.parametrize("packages", [1, 2])
@pytest.mark.parametrize("range_j", [65_532.0, 262_143.0])
def test_a_failed_read_that_passes_for_a_wrap_is_never_energy(
    duration_s: float, packages: int, range_j: float
) -> None:
    # CodeCarbon makes 263,144 J of a true 1,000 J so.
    rapl = RaplState(packages, packages, range_j, Path("energy_uj"))
    found = read(Data(cpu_energy=(range_j + 1.0) / 3.6e6), rapl=rapl, duration_s=duration_s)

    assert found["cpu"].joules is None
    assert code(found["cpu"]) is ReasonCode.COUNTER_WRAP_RISK


def test_as_much_as_two_packages_can_draw_is_energy() -> None:
    rapl = RaplState(2, 2, 262_143.0, Path("energy_uj"))
    found = read(Data(cpu_energy=12_000 / 3.6e6), rapl=rapl, duration_s=10.0)
    assert found["cpu"].joules == pytest.approx(12_000)


def test_a_counter_that_was_closed_meanwhile_is_no_reading() -> None:
    closed = RaplState(packages=1, readable=0, example=Path("p/energy_uj"))
    found = read(rapl=RAPL, rapl_now=closed)

    assert found["cpu"].joules is None
    assert code(found["cpu"]) is ReasonCode.RAPL_UNREADABLE
    assert "p/energy_uj" in (found["cpu"].reason or "")


@pytest.mark.parametrize(
    ("joules", "expected"),
    [(-48_500.0, ReasonCode.COUNTER_RESET), (4e9, ReasonCode.COUNTER_RESET)],
)
def test_a_gpu_counter_that_was_reset_is_no_reading(joules: float, expected: ReasonCode) -> None:
    found = read(Data(gpu_energy=joules / 3.6e6), gpus=(H200,), gpu_count=1)

    assert found["gpu"].joules is None
    assert found["gpu"].expected
    assert code(found["gpu"]) is expected


def test_an_estimate_does_not_wrap() -> None:
    assert read(duration_s=1e5)["cpu"].joules is not None


def test_a_gpu_with_a_counter() -> None:
    found = read(gpus=(H200,), gpu_count=1, gpu_model="1 x NVIDIA H200", gpu_ids=["0"])

    assert found["gpu"].joules == pytest.approx(10.8)
    assert found["gpu"].method is EnergyMethod.COUNTER
    assert found["gpu"].origin == (
        "CodeCarbon 3.3.2, NVML energy counter of 1 x NVIDIA H200, only those with ids 0"
    )


def test_a_gpu_without_a_counter_is_integrated_power() -> None:
    found = read(gpus=(NvmlGpu("GTX 970", counts_energy=False),), gpu_count=1)

    assert found["gpu"].method is EnergyMethod.INTEGRATED
    assert "sampled" in (found["gpu"].origin or "")


def test_a_gpu_that_codecarbon_overlooks_is_missed() -> None:
    found = read(gpus=(H200,), gpu_count=0)

    assert found["gpu"].expected
    assert "NVML" in (found["gpu"].reason or "")


def test_hidden_gpus_are_not_expected() -> None:
    found = read(gpus=(H200,), gpu_count=1, gpu_ids=["-1"])

    assert found["gpu"].joules is None
    assert not found["gpu"].expected


@pytest.mark.parametrize(
    ("kwh", "reason"),
    [
        (0.0, "exactly 0 J"),
        (-1e-6, "negative"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (None, "None instead of a number"),
        ("1", "'1' instead of a number"),
    ],
)
@pytest.mark.parametrize("domain", ["cpu", "ram", "gpu"])
def test_what_is_no_energy_is_none_with_a_reason(domain: str, kwh: Any, reason: str) -> None:
    data = Data(**{f"{domain}_energy": kwh})
    found = read(data, rapl=RAPL, gpus=(H200,), gpu_count=1)

    assert found[domain].joules is None
    assert found[domain].expected
    assert reason in (found[domain].reason or "")
    assert sum(reading.joules is None for reading in found.values()) == 1


def test_emissions_need_a_known_country_and_all_joules() -> None:
    complete = read().values()
    broken = read(Data(cpu_energy=0.0)).values()

    assert emissions(Data(), complete, "FRA") == (pytest.approx(4e-7), None)
    for data, domains, country, why in (
        (Data(), complete, None, "no country given"),
        (Data(country_name=None), complete, "XYZ", "no country 'XYZ'"),
        (Data(), broken, "FRA", "no joules of cpu"),
        (None, broken, "FRA", "no joules of cpu"),
        (Data(emissions=math.nan), complete, "FRA", "nan"),
        (Data(emissions=-1.0), complete, "FRA", "-1.0"),
        (Data(emissions=None), complete, "FRA", "None"),
    ):
        kg_co2, reason = emissions(data, domains, country)
        assert kg_co2 is None
        assert why in (reason or "")
