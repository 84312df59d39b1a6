from __future__ import annotations

import threading

import pytest
from idle_source import IdleSource, VirtualTime

from llenergymeasure.exceptions import EnergyBackendError, EnergyDevicesError
from llenergymeasure.orchestration.measuring import priming as module
from llenergymeasure.orchestration.measuring.priming import EnergyPriming


def test_a_source_is_prepared_before_what_comes_afterwards_is_done() -> None:
    go_on = threading.Event()
    source = IdleSource(VirtualTime(), {})
    priming = EnergyPriming(source, "virtual", afterwards=lambda: go_on.wait(10) and None)
    assert priming.prepared() is source
    assert source.prepared
    assert not go_on.is_set()
    go_on.set()
    assert priming.ready() is source
    priming.close()
    assert not source.prepared


def test_a_source_that_never_gets_ready_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENERGY_PREPARE_TIMEOUT_S", 0.3)
    stuck = threading.Event()

    class Stuck(IdleSource):
        def prepare(self) -> None:
            stuck.wait(10)

    priming = EnergyPriming(Stuck(VirtualTime(), {}), "virtual")
    for get in (priming.prepared, priming.ready, priming.prepared, priming.ready):
        energy = get()
        energy.start()
        (domain,) = energy.stop().domains
        assert domain.joules is None
        assert "not ready" in (domain.reason or "")
        assert priming._left_s() == 0, "it is waited for once"
    stuck.set()
    priming.close()


def test_one_that_gets_ready_after_it_was_given_up_disturbs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ENERGY_PREPARE_TIMEOUT_S", 0.05)
    go_on, closed = threading.Event(), threading.Event()
    done_afterwards: list[str] = []

    class Slow(IdleSource):
        def prepare(self) -> None:
            go_on.wait(30)

        def close(self) -> None:
            closed.set()

    source = Slow(VirtualTime(), {})
    priming = EnergyPriming(source, "virtual", afterwards=lambda: done_afterwards.append("done"))
    assert priming.prepared() is not source
    go_on.set()
    assert closed.wait(30), "it holds nothing open"
    assert priming.ready() is not source, "later windows are told the same"
    assert done_afterwards == []
    priming.close()


def test_a_device_that_is_not_there_is_the_users_to_correct() -> None:
    class Wrong(IdleSource):
        def prepare(self) -> None:
            raise EnergyDevicesError("no GPU 9", hint="GPUs here: 0")

    priming = EnergyPriming(Wrong(VirtualTime(), {}), "virtual")
    for get in (priming.prepared, priming.ready):
        with pytest.raises(EnergyDevicesError, match="no GPU 9") as raised:
            get()
        assert raised.value.exit_code == 2
    priming.close()


def test_any_other_failure_is_told_with_its_hint() -> None:
    class Failing(IdleSource):
        def prepare(self) -> None:
            raise EnergyBackendError("GPUs in which order?", hint="name them")

    priming = EnergyPriming(Failing(VirtualTime(), {}), "virtual")
    energy = priming.ready()
    energy.start()
    (domain,) = energy.stop().domains
    assert domain.reason == "GPUs in which order? (name them)"
    priming.close()


def test_a_source_that_gets_ready_after_its_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENERGY_PREPARE_TIMEOUT_S", 0.1)
    go_on, closed = threading.Event(), threading.Event()

    class Slow(IdleSource):
        def prepare(self) -> None:
            go_on.wait(10)

        def close(self) -> None:
            closed.set()

    priming = EnergyPriming(Slow(VirtualTime(), {}), "virtual")
    priming.close()
    assert not closed.is_set(), "not while it is being prepared"
    go_on.set()
    assert closed.wait(10)


def test_a_source_that_cannot_be_closed_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(IdleSource):
        def close(self) -> None:
            raise RuntimeError("no")

    source = Stubborn(VirtualTime(), {})
    priming = EnergyPriming(source, "stubborn")
    assert priming.ready() is source
    priming.close()
    assert "stubborn failed to close" in caplog.text
