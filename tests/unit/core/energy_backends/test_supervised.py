from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from llenergymeasure.config.registry import list_registered
from llenergymeasure.constants import ENERGY_BACKENDS_GROUP
from llenergymeasure.core.energy_backends import supervised
from llenergymeasure.core.energy_backends.combined.part import Limits, Part
from llenergymeasure.core.energy_backends.none import NoEnergyBackend
from llenergymeasure.core.energy_backends.supervised import (
    close_supervised,
    samples_of,
    start_supervised,
    stop_supervised,
    temperatures_of,
)
from llenergymeasure.domain.energy import EnergyReading, total_energy
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.orchestration.measuring import priming


class Hanging(NoEnergyBackend):
    """Hangs in one of its calls until it is let go."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.calls = where, 0
        self.let_go, self.closed = threading.Event(), threading.Event()

    def _maybe(self, where: str) -> None:
        if where == self.where:
            self.calls += 1
            self.let_go.wait()

    def start(self) -> None:
        self._maybe("start")
        super().start()

    def stop(self) -> EnergyReading:
        self._maybe("stop")
        return super().stop()

    def close(self) -> None:
        self._maybe("close")
        self.closed.set()
        super().close()

    def samples(self) -> list[SampleSeries]:
        self._maybe("samples")
        return [SampleSeries("gpu:0", "power_w", [1, 2], [3.0, 4.0])]

    def temperatures_c(self) -> dict[str, float]:
        self._maybe("temperatures_c")
        return {"gpu:0": 40.0}


def hang_in(where: str) -> Iterator[Hanging]:
    source = Hanging(where)
    yield source
    source.let_go.set()


@pytest.fixture(params=["start", "stop"])
def hanging(request: pytest.FixtureRequest) -> Iterator[Hanging]:
    yield from hang_in(request.param)


@pytest.fixture(params=["samples", "temperatures_c", "close"])
def hanging_between(request: pytest.FixtureRequest) -> Iterator[Hanging]:
    yield from hang_in(request.param)


def test_a_source_that_hangs_has_no_number_and_is_not_asked_again(hanging: Hanging) -> None:
    for _ in range(2):
        reading = stop_supervised(start_supervised(hanging, "nvml", 0.05), "nvml", 0.05)
        (domain,) = reading.domains
        assert domain.joules is None
        assert domain.expected
        assert (domain.reason or "").startswith(("nvml did not answer within", "nvml hung before"))
        assert total_energy(reading.domains).total_j is None
    assert hanging.calls == 1
    close_supervised(hanging, "nvml", 0.05)
    assert not hanging.closed.is_set()
    hanging.let_go.set()
    assert hanging.closed.wait(30), "a window that opened late does not stay open"


def test_one_that_hangs_between_windows_keeps_its_joules(hanging_between: Hanging) -> None:
    source = hanging_between
    for _ in range(2):
        found = samples_of(source, 0.05), temperatures_of(source, 0.05)
        assert stop_supervised(start_supervised(source, "nvml"), "nvml").backend == "none"
    # One that hung over its samples is not asked for temperatures either.
    assert found == ((), {}) if source.where != "close" else all(found)
    close_supervised(source, "nvml", 0.05)
    assert source.calls == 1
    assert source.closed.is_set() == (source.where != "close")


def test_one_of_several_that_hangs_leaves_the_others(hanging: Hanging) -> None:
    part = Part("nvml", hanging, kinds=("gpu",), limits=Limits(window_s=0.05))
    claim = part.prepare()
    assert claim.failed
    part.start()
    (domain,) = part.stop().domains
    assert (domain.name, domain.joules, domain.expected) == ("gpu", None, True)
    assert "did not answer" in (domain.reason or "")
    assert hanging.calls == 1


def test_limits_leave_room_for_the_sources_within() -> None:
    several, limits = len(list_registered(ENERGY_BACKENDS_GROUP)), Limits()
    others_s = (several - 1) * limits.patience_s
    assert others_s + limits.prepare_s < priming.ENERGY_PREPARE_TIMEOUT_S
    assert others_s + limits.window_s <= supervised.WINDOW_TIMEOUT_S
    assert limits.between_s < supervised.BETWEEN_TIMEOUT_S
