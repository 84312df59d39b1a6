from __future__ import annotations

from pathlib import Path

import pytest

from llenergymeasure.core.energy_backends.codecarbon.rapl_access import RaplState, look_for_rapl
from llenergymeasure.core.energy_backends.rapl.counter_sum import SMALLEST_RANGE_UJ


def zone(root: Path, folder: str, name: str, energy: str | None, range_uj: str | None) -> None:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    if energy is not None:
        (path / "energy_uj").write_text(f"{energy}\n")
    if range_uj is not None:
        (path / "max_energy_range_uj").write_text(f"{range_uj}\n")


def test_a_machine_without_powercap(tmp_path: Path) -> None:
    assert look_for_rapl(tmp_path / "absent") == RaplState()


def test_two_sockets_are_readable_and_the_smaller_range_counts(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", "123", "262143328850")
    zone(tmp_path, "intel-rapl:1", "package-1", "456", "65532610987")
    zone(tmp_path, "intel-rapl:0:0", "core", "1", "1000")
    zone(tmp_path, "intel-rapl:2", "psys", "1", "1000")

    state = look_for_rapl(tmp_path)

    assert (state.packages, state.readable) == (2, 2)
    assert state.wrap_j == pytest.approx(65532.610987)


def test_a_socket_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", None, "262143328850")
    zone(tmp_path, "intel-rapl:1", "package-1", "not a number", "262143328850")
    zone(tmp_path, "intel-rapl:2", "package-2", "7", "262143328850")

    state = look_for_rapl(tmp_path)

    assert (state.packages, state.readable) == (3, 1)
    assert state.example == tmp_path / "intel-rapl:0/energy_uj"


@pytest.mark.parametrize("range_uj", [None, "0", "garbage"])
def test_an_unreadable_range_is_taken_for_the_smallest(
    tmp_path: Path, range_uj: str | None
) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", "5", range_uj)
    assert look_for_rapl(tmp_path).wrap_j == SMALLEST_RANGE_UJ / 1e6
