from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from llenergymeasure.core.energy_backends import supervised as bounded
from llenergymeasure.core.energy_backends.combined.part import Part
from llenergymeasure.core.energy_backends.none import NoEnergyBackend
from llenergymeasure.core.energy_backends.supervised import (
    StuckError,
    start_supervised,
    stop_supervised,
    within,
)
from llenergymeasure.domain.energy import EnergyReading, total_energy


class Hanging(NoEnergyBackend):
    """Hangs in one of its calls until it is let go."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.calls = where, 0
        self.let_go = threading.Event()

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


@pytest.fixture(params=["start", "stop"])
def hanging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    monkeypatch.setattr(within, "__defaults__", (0.05,))
    monkeypatch.setattr("llenergymeasure.core.energy_backends.combined.part.PART_TIMEOUT_S", 0.05)
    source = Hanging(request.param)
    yield source
    source.let_go.set()


def test_what_comes_back_is_given_and_what_is_raised_is_raised() -> None:
    assert within(lambda: 7) == 7
    assert within(lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        within(lambda: 1 // 0)


def test_a_call_that_hangs_is_left() -> None:
    held = threading.Event()
    with pytest.raises(StuckError, match=r"within 0\.01 s"):
        within(held.wait, 0.01)
    held.set()


def test_a_source_that_hangs_has_no_number_and_is_not_asked_again(hanging: Hanging) -> None:
    for _ in range(2):
        reading = stop_supervised(start_supervised(hanging, "nvml"), "nvml")
        (domain,) = reading.domains
        assert domain.joules is None
        assert domain.expected
        assert "nvml did not answer within" in (domain.reason or "")
        assert total_energy(reading.domains).total_j is None
    assert hanging.calls == 1


def test_one_of_several_that_hangs_leaves_the_others(hanging: Hanging) -> None:
    part = Part("nvml", hanging, kinds=("gpu",))
    claim = part.prepare()
    assert claim.failed
    part.start()
    (domain,) = part.stop().domains
    assert (domain.name, domain.joules, domain.expected) == ("gpu", None, True)
    assert "did not answer" in (domain.reason or "")
    assert hanging.calls == 1


def test_limits_leave_room_for_the_sources_within() -> None:
    assert bounded.PART_TIMEOUT_S < bounded.WINDOW_TIMEOUT_S
