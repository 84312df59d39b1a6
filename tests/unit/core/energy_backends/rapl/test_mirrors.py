"""How often counters step, and which of them are one, from what was read."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.rapl.mirrors import (
    Suspicion,
    Watched,
    sockets_of_this_machine,
    suspicions,
    watch,
)
from llenergymeasure.core.energy_backends.rapl.powercap import Zone
from llenergymeasure.core.energy_backends.rapl.zones import RaplDomain

US = 1_000
STEP_NS = 1_000 * US


def package(number: int, socket: int | None = None, folder: Path = Path()) -> RaplDomain:
    zone = Zone(folder, "intel-rapl", (number,), f"package-{number}")
    return RaplDomain(f"cpu:{number}", "cpu", zone, None, number if socket is None else socket)


def shown(starts_uj: list[int], steps_uj: list[int], late_us: int = 0) -> dict[str, Watched]:
    """What packages show that step each ms, read in turn each 100 us, the later ones late."""
    found = {f"cpu:{n}": Watched() for n in range(len(starts_uj))}
    for place, at_us in enumerate(range(0, 20_000, 50)):
        number = place % len(starts_uj)
        steps = max(at_us - (late_us if number else 0), 0) // 1_000
        found[f"cpu:{number}"].times_ns.append(at_us * US)
        found[f"cpu:{number}"].values_uj.append(starts_uj[number] + steps * steps_uj[number])
    return found


def repeated(starts_uj: list[int], steps_uj: list[int], late_us: int = 0) -> list[tuple[str, str]]:
    packages = [package(number) for number in range(len(starts_uj))]
    found = suspicions(packages, shown(starts_uj, steps_uj, late_us), None)
    return [(suspicion.mirror.name, suspicion.original.name) for suspicion in found]


def test_the_period_of_the_steps() -> None:
    assert shown([0], [100_000])["cpu:0"].update_ns() == STEP_NS
    assert shown([0], [0])["cpu:0"].update_ns() is None
    assert Watched([0, 1, 2], [0, 5, 9]).update_ns() is None


def test_power_before_the_window() -> None:
    assert shown([0], [100_000])["cpu:0"].power_w() == pytest.approx(100, rel=0.06)
    assert Watched([0], [5]).power_w() == 0.0
    assert Watched([0, 1000], [5, 0]).power_w() == 0.0


@pytest.mark.parametrize("late_us", [0, 300, 900])
def test_mirrored_dies_are_found(late_us: int) -> None:
    """Each die may take the socket's step a moment later."""
    found = repeated([7, 7, 7, 7], [100_000] * 4, late_us)
    assert found == [("cpu:1", "cpu:0"), ("cpu:2", "cpu:0"), ("cpu:3", "cpu:0")]


def test_sockets_are_told_apart_by_their_values() -> None:
    assert repeated([7, 9_000_000], [100_000, 100_000]) == []
    assert repeated([7, 7], [100_000, 150_000]) == []


def test_two_sockets_of_two_dies_each() -> None:
    found = repeated([7, 7, 9_000_000, 9_000_000], [100_000] * 4)
    assert found == [("cpu:1", "cpu:0"), ("cpu:3", "cpu:2")]


@given(start=st.integers(0, 10**11), others=st.lists(st.integers(1, 10**11), max_size=3))
def test_counters_that_stand_still_are_suspected_only_if_equal(
    start: int, others: list[int]
) -> None:
    starts = [start, *others]
    pairs = {mirror for mirror, _ in repeated(starts, [0] * len(starts))}
    doubled = {f"cpu:{n}" for n, value in enumerate(starts) if value in starts[:n]}
    assert pairs == doubled


def test_the_kernel_tells_sockets_from_dies() -> None:
    seen = shown([7, 7], [0, 0])
    assert suspicions([package(0), package(1)], seen, sockets=2) == []
    assert len(suspicions([package(0), package(1)], seen, sockets=1)) == 1
    dies = [package(0, socket=0), package(1, socket=0)]
    assert len(suspicions(dies, seen, sockets=2)) == 1


@pytest.mark.parametrize(
    ("values", "tolerance_uj", "step_uj", "same"),
    [((5, 5), 0, 0, True), ((5, 6), 0, 0, False), ((5, 6), 1, 0, True), ((5, 6), 0, 1, True)],
)
def test_a_suspicion_is_held_against_the_counters(
    tmp_path: Path, values: tuple[int, int], tolerance_uj: int, step_uj: int, same: bool
) -> None:
    for number, value in enumerate(values):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "energy_uj").write_text(str(value))
    original, mirror = (package(number, folder=tmp_path / str(number)) for number in (0, 1))
    suspicion = Suspicion(mirror, original, tolerance_uj)
    assert suspicion.holds(step_uj) is same
    mirror.file.unlink()
    assert suspicion.holds(step_uj) is None


def test_a_counter_that_cannot_be_read_is_not_watched(tmp_path: Path) -> None:
    (tmp_path / "energy_uj").write_text("5")
    clock = itertools.count(step=STEP_NS)
    domains = [package(0, folder=tmp_path), package(1, folder=tmp_path / "absent")]
    seen = watch(domains, lambda: next(clock))
    assert list(seen) == ["cpu:0"]
    assert set(seen["cpu:0"].values_uj) == {5}


def test_sockets_by_the_kernels_topology(tmp_path: Path) -> None:
    assert sockets_of_this_machine(tmp_path) is None
    for cpu, socket in enumerate(["0", "0", "1", "1"]):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{socket}\n")
    assert sockets_of_this_machine(tmp_path) == 2
    (folder / "physical_package_id").write_text("")
    assert sockets_of_this_machine(tmp_path) is None
