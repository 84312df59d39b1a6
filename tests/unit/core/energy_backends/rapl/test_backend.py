"""The RAPL source on small fake trees; the known truth is in tests/integration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.config.backend_configs import RaplConfig
from llenergymeasure.constants import POWERCAP_ROOT_ENV
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.core.energy_backends.poller import Poller
from llenergymeasure.core.energy_backends.rapl import backend as rapl
from llenergymeasure.core.energy_backends.rapl import powercap
from llenergymeasure.core.energy_backends.rapl.backend import RaplBackend
from llenergymeasure.domain.energy import DomainReading, EnergyMethod, EnergyScope, total_energy
from llenergymeasure.domain.validity import ReasonCode, ValidityStatus, judge
from llenergymeasure.exceptions import EnergyBackendError

RANGE_UJ = 262_143_328_850


def zone(root: Path, folder: str, name: str, energy_uj: int = 1_000_000, range_uj: Any = RANGE_UJ):
    path = root / folder
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text(name)
    (path / "energy_uj").write_text(f"{energy_uj:020}")
    (path / "max_energy_range_uj").write_text(str(range_uj))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "dram")
    return tmp_path


@pytest.fixture
def backend(root: Path) -> Iterator[RaplBackend]:
    made = RaplBackend(RaplConfig(root=str(root), interval_ms=10))
    made.prepare()
    yield made
    made.close()


def measure(backend: RaplBackend, *steps: tuple[Path, str, int]) -> dict[str, DomainReading]:
    backend.start()
    for root, folder, energy_uj in steps:
        file = root / folder / "energy_uj"
        with file.open("r+") as counter:
            counter.write(f"{energy_uj:020}")
        time.sleep(0.03)
    return {domain.name: domain for domain in backend.stop().domains}


def codes(domain: DomainReading) -> list[ReasonCode]:
    return [finding.code for finding in domain.findings]


def test_it_keeps_the_contract(root: Path) -> None:
    results = run_energy_conformance(lambda: RaplBackend(RaplConfig(root=str(root))))
    assert [result for result in results if not result.passed] == []


def test_it_keeps_the_contract_without_counters(tmp_path: Path) -> None:
    results = run_energy_conformance(lambda: RaplBackend(RaplConfig(root=str(tmp_path))))
    assert [result for result in results if not result.passed] == []


def test_a_reading_says_what_it_rests_on(root: Path, backend: RaplBackend) -> None:
    found = measure(backend, (root, "intel-rapl:0", 4_000_003), (root, "intel-rapl:0:0", 1_000_007))
    cpu, ram = found["cpu:0"], found["ram:0"]

    assert (cpu.joules, ram.joules) == (3.000003, 0.000007)
    assert {d.method for d in (cpu, ram)} == {EnergyMethod.COUNTER}
    assert {d.scope for d in (cpu, ram)} == {EnergyScope.MACHINE}
    assert {d.source for d in (cpu, ram)} == {"rapl"}
    assert cpu.origin == f"RAPL package-0 counter ({root}/intel-rapl:0)"
    assert cpu.evidence is not None
    assert cpu.evidence.wraps == 0
    assert cpu.evidence.samples >= 4
    assert cpu.evidence.counter_update_ms is None
    assert (cpu.evidence.longest_gap_s or 0) > 0.009
    assert cpu.uncertainty is not None
    assert "assumed" in (cpu.uncertainty.gain_origin or "")
    edge_j, gain_j = cpu.uncertainty.edge_j or 0, cpu.uncertainty.gain_j or 0
    assert gain_j == pytest.approx(3.000003 / 9)
    assert edge_j > 0
    assert cpu.uncertainty_j == pytest.approx((edge_j**2 + gain_j**2) ** 0.5)
    assert cpu.findings == ram.findings == ()


def test_samples_end_where_the_sum_does(root: Path, backend: RaplBackend) -> None:
    assert backend.samples() == []
    found = measure(backend, (root, "intel-rapl:0", 4_000_003), (root, "intel-rapl:0", 5_000_000))
    series = {(s.device, s.quantity): s for s in backend.samples()}

    assert set(series) == {(d, q) for d in ("cpu:0", "ram:0") for q in ("energy_j", "power_w")}
    energy, power = series["cpu:0", "energy_j"], series["cpu:0", "power_w"]
    assert (energy.values[0], energy.values[-1]) == (0.0, found["cpu:0"].joules)
    assert list(energy.times_ns) == sorted(set(energy.times_ns))
    assert list(power.times_ns) == list(energy.times_ns[1:])
    gaps_s = [(b - a) / 1e9 for a, b in zip(energy.times_ns, energy.times_ns[1:], strict=False)]
    integral_j = sum(w * s for w, s in zip(power.values, gaps_s, strict=True))
    assert integral_j == pytest.approx(found["cpu:0"].joules)


def test_no_counters_is_no_fault(tmp_path: Path) -> None:
    backend = RaplBackend(RaplConfig(root=str(tmp_path / "absent")))
    backend.prepare()
    (domain,) = measure(backend).values()
    backend.close()

    assert (domain.name, domain.joules, domain.expected) == ("cpu", None, False)
    assert str(tmp_path / "absent") in (domain.reason or "")
    assert codes(domain) == [ReasonCode.NO_RAPL]
    assert judge(domain.findings).status is ValidityStatus.VALID


def test_the_environment_may_point_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POWERCAP_ROOT_ENV, str(root))
    backend = RaplBackend(RaplConfig())
    backend.prepare()
    assert set(measure(backend)) == {"cpu:0", "ram:0"}
    backend.close()


def deny(monkeypatch: pytest.MonkeyPatch, *parts: str) -> None:
    """No mode keeps the tests' own user out if it is root."""
    readable = powercap._text

    def text(file: Path) -> str:
        if file.name == "energy_uj" and file.parent.name in parts:
            raise PermissionError(13, "Permission denied", str(file))
        return readable(file)

    monkeypatch.setattr(powercap, "_text", text)


def test_closed_counters_say_what_opens_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deny(monkeypatch, "intel-rapl:0", "intel-rapl:0:0")
    backend = RaplBackend(RaplConfig(root=str(root)))
    backend.prepare()
    found = measure(backend)
    backend.close()

    assert [(d.joules, d.expected) for d in found.values()] == [(None, True)] * 2
    assert total_energy(found.values()).total_j is None
    (finding,) = {finding for domain in found.values() for finding in domain.findings}
    assert finding.code is ReasonCode.RAPL_UNREADABLE
    package, memory = root / "intel-rapl:0/energy_uj", root / "intel-rapl:0:0/energy_uj"
    assert f"sudo chmod o+r {package} {memory};" in finding.detail
    assert "/etc/udev/rules.d/" in finding.detail
    assert str(package) in (found["cpu:0"].reason or "")


def test_one_closed_counter_of_two_makes_no_total(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone(root, "intel-rapl:1", "package-1", 5)
    deny(monkeypatch, "intel-rapl:1")
    backend = RaplBackend(RaplConfig(root=str(root)))
    backend.prepare()
    found = measure(backend, (root, "intel-rapl:0", 2_000_000))
    backend.close()

    totals = total_energy(found.values())
    assert (totals.total_j, totals.missing) == (None, ("cpu:1",))
    assert found["cpu:0"].joules == 1.0
    assert "intel-rapl:0/" not in found["cpu:1"].findings[0].detail


def test_a_mirror_that_fails_is_missed_and_is_no_socket_afterwards(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone(root, "intel-rapl:1", "package-1")
    backend = RaplBackend(RaplConfig(root=str(root)))
    backend.prepare()
    both = ("intel-rapl:0", "intel-rapl:1")
    first = measure(backend, *((root, folder, 2_000_000) for folder in both))
    with monkeypatch.context() as patch:
        deny(patch, "intel-rapl:1")
        second = measure(backend, *((root, folder, 3_000_000) for folder in both))
    third = measure(backend, *((root, folder, 4_000_000) for folder in both))
    backend.close()

    assert [d.joules for d in first.values() if d.name != "ram:0"] == [1.0]
    assert total_energy(second.values()).total_j is None
    assert [d.joules for d in third.values() if d.name != "ram:0"] == [1.0]


def test_a_tree_that_may_not_be_listed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def iterdir(folder: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", iterdir)
    backend = RaplBackend(RaplConfig(root=str(root)))
    backend.prepare()
    (domain,) = measure(backend).values()
    backend.close()
    assert (domain.name, domain.expected) == ("cpu", True)
    assert codes(domain) == [ReasonCode.RAPL_UNREADABLE]


def test_what_the_machine_does_not_feed_is_not_expected(root: Path) -> None:
    zone(root, "intel-rapl:0:0", "dram", 0)
    zone(root, "intel-rapl:1", "psys", 0)
    backend = RaplBackend(RaplConfig(root=str(root)))
    backend.prepare()
    found = measure(backend, (root, "intel-rapl:0", 2_000_000))
    backend.close()

    assert [found[n].joules for n in ("cpu:0", "ram:0", "psys")] == [1.0, None, None]
    assert [found[n].expected for n in ("cpu:0", "ram:0", "psys")] == [True, False, False]
    assert "stays at 0" in (found["ram:0"].reason or "")
    assert total_energy(found.values()).total_j == 1.0


def test_a_package_that_counts_nothing_has_no_number(root: Path) -> None:
    """Some hypervisors show a counter that is always 0."""
    zone(root, "intel-rapl:0", "package-0", 0)
    backend = RaplBackend(RaplConfig(root=str(root)))
    backend.prepare()
    found = measure(backend, (root, "intel-rapl:0:0", 2_000_000))
    backend.close()
    assert codes(found["cpu:0"]) == [ReasonCode.COUNTER_FROZEN]
    assert total_energy(found.values()).total_j is None


@pytest.mark.parametrize(
    ("options", "sample_s", "range_uj", "every_s"),
    [
        ({}, None, RANGE_UJ, 0.1),
        ({"interval_ms": 5000}, None, RANGE_UJ, 5.0),
        # 65 s to a wrap at 1 kW: four readings in it.
        ({"interval_ms": 60_000}, None, 65_532_610_987, 16.383),
        ({"interval_ms": 60_000}, None, "unknown", 16.383),
        ({}, 0.05, RANGE_UJ, 0.05),
        ({}, 30.0, RANGE_UJ, 0.1),
        ({}, None, 80_000_000, 0.02),
        ({}, None, 1_000, 0.005),
    ],
)
def test_it_reads_often_enough(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    sample_s: float | None,
    range_uj: Any,
    every_s: float,
) -> None:
    zone(root, "intel-rapl:0", "package-0", 900, range_uj)
    found: list[float] = []

    def poller(action: Any, every_s: float, name: str) -> Poller:
        found.append(every_s)
        return Poller(action, every_s, name)

    monkeypatch.setattr(rapl, "Poller", poller)
    backend = RaplBackend(RaplConfig.model_validate({"root": str(root), **options}))
    if sample_s is not None:
        backend.sample_every(sample_s)
    backend.prepare()
    backend.start()
    backend.close()
    assert found == [pytest.approx(every_s, rel=1e-3)]


def test_it_must_be_prepared() -> None:
    with pytest.raises(EnergyBackendError, match="prepare"):
        RaplBackend(RaplConfig()).start()
