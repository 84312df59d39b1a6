"""The life cycle around a stand-in tracker; the real one is in tests/integration."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llenergymeasure.config.backend_configs import CodeCarbonConfig
from llenergymeasure.core.energy_backends.codecarbon import backend as codecarbon
from llenergymeasure.core.energy_backends.codecarbon.backend import CodeCarbonBackend
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.exceptions import EnergyBackendError


class StandIn:
    """Does what the tracker does, and fails on demand."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.ended: list[str] = []
        self.stopped = 0
        self.fail: set[str] = set()
        self.silent = False

    def start_task(self, name: str) -> None:
        self._maybe_fail("start_task")
        self.tasks.append(name)

    def stop_task(self, name: str) -> Any:
        self._maybe_fail("stop_task")
        self.ended.append(name)
        if self.silent:
            return None
        return SimpleNamespace(
            cpu_energy=1e-6, ram_energy=1e-6, gpu_energy=0.0, emissions=0.0, country_name=None
        )

    def get_detected_hardware(self) -> dict[str, Any]:
        return {"cpu_model": "X", "ram_total_size": 8.0, "gpu_count": 0, "gpu_ids": None}

    def stop(self) -> None:
        self.stopped += 1

    def _maybe_fail(self, what: str) -> None:
        if what in self.fail:
            raise RuntimeError(f"{what} broke")


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(codecarbon, "_new_tracker", lambda country: stand_in)
    return stand_in


@pytest.fixture
def backend(tracker: StandIn) -> CodeCarbonBackend:
    made = CodeCarbonBackend(CodeCarbonConfig())
    made.prepare()
    return made


def measured(backend: CodeCarbonBackend) -> EnergyReading:
    backend.start()
    return backend.stop()


def test_each_window_is_a_task_of_its_own(backend: CodeCarbonBackend, tracker: StandIn) -> None:
    first, second = measured(backend), measured(backend)

    assert len(set(tracker.tasks)) == 3
    assert tracker.tasks == tracker.ended
    assert [d.joules for d in first.domains] == [d.joules for d in second.domains]


@pytest.mark.parametrize("call", ["start_task", "stop_task"])
def test_a_failure_in_a_window_is_a_reason_and_the_next_window_is_free_of_it(
    backend: CodeCarbonBackend, tracker: StandIn, call: str
) -> None:
    tracker.fail = {call}
    broken = measured(backend)
    tracker.fail = set()
    healthy = measured(backend)

    assert [d.name for d in broken.domains] == [d.name for d in healthy.domains]
    for domain in broken.domains:
        assert domain.joules is None
        assert domain.expected
        assert f"{call} broke" in (domain.reason or "")
    assert healthy.domains[0].joules is not None


def test_no_data_of_a_window_is_a_reason(backend: CodeCarbonBackend, tracker: StandIn) -> None:
    tracker.silent = True
    assert {d.reason for d in measured(backend).domains} == {
        "CodeCarbon gave no reading for the window"
    }


@pytest.mark.parametrize("how", ["start_task", "stop_task", "silent"])
def test_what_fails_while_priming_is_told_and_cleaned_up(tracker: StandIn, how: str) -> None:
    tracker.silent = how == "silent"
    tracker.fail = {how}
    backend = CodeCarbonBackend(CodeCarbonConfig())

    with pytest.raises(EnergyBackendError, match="CodeCarbon") as caught:
        backend.prepare()

    assert caught.value.hint
    assert tracker.stopped == 1
    with pytest.raises(EnergyBackendError, match="not prepared"):
        backend.start()


def test_close_ends_the_tracker_once(backend: CodeCarbonBackend, tracker: StandIn) -> None:
    backend.start()
    backend.close()
    backend.close()
    assert tracker.stopped == 1


def test_a_closed_source_refuses_to_stop(backend: CodeCarbonBackend) -> None:
    backend.start()
    backend.close()
    with pytest.raises(EnergyBackendError, match="no window is open"):
        backend.stop()
