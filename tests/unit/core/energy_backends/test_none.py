from __future__ import annotations

import pytest

from llenergymeasure.config.backend_spec import BackendOptions
from llenergymeasure.core.energy_backends.none import NoEnergyBackend, UnavailableEnergyBackend
from llenergymeasure.domain.energy import total_energy
from llenergymeasure.exceptions import EnergyBackendError


def test_no_energy_has_no_domains() -> None:
    backend = NoEnergyBackend(BackendOptions())
    backend.prepare()
    backend.start()
    reading = backend.stop()

    assert reading.backend == "none"
    assert reading.domains == ()
    assert total_energy(reading.domains).total_j is None


def test_an_unavailable_source_gives_its_reason_and_voids_the_total() -> None:
    backend = UnavailableEnergyBackend("codecarbon", "it fell over")
    backend.prepare()
    backend.start()
    reading = backend.stop()
    (domain,) = reading.domains

    assert reading.backend == "codecarbon"
    assert domain.joules is None
    assert domain.method is None
    assert domain.expected
    assert domain.reason == "it fell over"
    assert domain.window is not None
    assert total_energy(reading.domains).missing == ("energy",)


@pytest.mark.parametrize("backend", [NoEnergyBackend(), UnavailableEnergyBackend("x", "y")])
def test_windows_neither_nest_nor_close_twice(
    backend: NoEnergyBackend | UnavailableEnergyBackend,
) -> None:
    backend.start()
    with pytest.raises(EnergyBackendError, match="already open"):
        backend.start()
    backend.stop()
    with pytest.raises(EnergyBackendError, match="no window is open"):
        backend.stop()
