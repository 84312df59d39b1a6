"""When the idle baseline is taken, and what happens where it cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from idle_source import IdleSource, VirtualTime

from llenergymeasure.config.models import config_model
from llenergymeasure.domain.baseline import BaselineMethod, DomainBaseline
from llenergymeasure.domain.energy import EnergyMethod
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.validity import ReasonCode
from llenergymeasure.exceptions import EnergyBackendError
from llenergymeasure.orchestration.measuring.idle import IdleBaseline
from llenergymeasure.orchestration.measuring.priming import EnergyPriming
from llenergymeasure.orchestration.measuring.reasons_before import baseline_reasons

MODEL = ModelInfo(name="m", path="/models/m", dtype="bfloat16")
ESTIMATED = {"gpu:0": {"method": EnergyMethod.ESTIMATED}}
LOOK = "idle 3 s"
NOTICE = "measuring idle power for 30 s"
IDLE = ["idle baseline", NOTICE, *["idle 6 s"] * 5]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Engine:
    """Does nothing but say when."""

    def __init__(self, told: list[str]) -> None:
        self.told = told


class PreparingEngine(Engine):
    def prepare_device(self) -> None:
        self.told.append("prepare device")


class Run:
    """One run up to the loaded model, on a clock of its own; ``told`` is what happened in order."""

    def __init__(
        self,
        source: IdleSource,
        *,
        energy: dict[str, Any] | None = None,
        engine: type[Engine] = PreparingEngine,
        reads_machine: bool = True,
        **baseline: Any,
    ) -> None:
        self.told: list[str] = []
        self.source = source
        energy = energy or {"backend": "nvml"}
        data = {"config_name": "c", "model_name": "m", "backend": "echo", "baseline": baseline}
        config = config_model("echo", energy["backend"]).model_validate({**data, "energy": energy})
        events: Any = self
        backend: Any = engine(self.told)
        self.idle = IdleBaseline(
            config,
            EnergyPriming(source, "virtual"),
            backend,
            events,
            parent_pid=None,
            reads_machine=reads_machine,
            sleep=self.sleep,
        )

    def phase(self, name: str, **_: Any) -> None:
        self.told.append(name)

    def notice(self, message: str) -> None:
        self.told.append(message[: len(NOTICE)])

    def sleep(self, seconds: float) -> None:
        self.source.time.sleep(seconds)
        self.told.append("probe" if seconds < 1 else f"idle {seconds:g} s")

    def __call__(self) -> tuple[DomainBaseline, ...]:
        self.idle.before_load()
        self.told.append("load")
        return self.idle.after_load(MODEL)


def gpu(**more: Any) -> IdleSource:
    return IdleSource(VirtualTime(), {"gpu:0": 60.0}, **more)


@pytest.mark.parametrize(
    ("level", "order"),
    [
        ("bare", ["probe", *IDLE, "load"]),
        ("context", ["probe", "preparing the device", "prepare device", *IDLE, "load"]),
        ("loaded", ["load", "probe", *IDLE]),
    ],
)
def test_each_level_has_its_moment(level: str, order: list[str]) -> None:
    run = Run(gpu(), level=level)
    (found,) = run()
    assert run.told == order
    assert (found.level, found.method, found.power_w) == (
        level,
        BaselineMethod.FRESH,
        pytest.approx(60.0),
    )
    assert list(baseline_reasons([found])) == []


def test_a_second_run_takes_a_short_look() -> None:
    Run(gpu())()
    run = Run(gpu())
    assert run()[0].method is BaselineMethod.CACHED
    assert run.told == ["probe", "idle baseline", LOOK, "load"]


def test_another_loaded_model_is_idle_in_its_own_way() -> None:
    def loaded(name: str) -> BaselineMethod:
        run = Run(gpu(), level="loaded")
        run.idle.before_load()
        return run.idle.after_load(ModelInfo(name=name))[0].method

    methods = [loaded(name) for name in ("a", "b", "a")]
    assert methods == [BaselineMethod.FRESH, BaselineMethod.FRESH, BaselineMethod.CACHED]


def test_off_is_off() -> None:
    run = Run(gpu(), enabled=False)
    assert run() == ()
    assert run.told == ["load"]
    assert run.source.windows == 0


@pytest.mark.parametrize(
    "energy",
    [{"backend": "none"}, {"backend": "replay", "replay": {"curve": {"power_w": 5.0}}}],
    ids=lambda energy: energy["backend"],
)
def test_a_source_that_never_measures_is_not_touched(energy: dict[str, Any]) -> None:
    run = Run(gpu(), energy=energy)
    assert run() == ()
    assert run.source.windows == 0
    with pytest.raises(EnergyBackendError, match=r"baseline.required is set"):
        Run(gpu(), energy=energy, required=True).idle.before_load()


@pytest.mark.parametrize("level", ["bare", "context", "loaded"])
def test_no_time_is_spent_on_estimates(level: str) -> None:
    run = Run(gpu(more=ESTIMATED), level=level)
    (found,) = run()
    assert found.method is BaselineMethod.NOT_APPLICABLE
    assert sorted(run.told) == ["load", "probe"]
    assert list(baseline_reasons([found])) == [], "that it does not apply is no fault"


@pytest.mark.parametrize("level", ["bare", "context", "loaded"])
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (lambda: gpu(more=ESTIMATED), "gpu:0: its joules are estimated"),
        (lambda: gpu(replayed=True), "gpu:0: replayed"),
        (lambda: IdleSource(VirtualTime(), {"gpu:0": None}), "gpu:0: it could not be read"),
        (lambda: IdleSource(VirtualTime(), {}), "no joules are measured here"),
    ],
    ids=["estimated", "replayed", "unreadable", "nothing"],
)
def test_required_and_not_to_be_had_fails_before_the_model_is_loaded(
    level: str, source: Any, words: str
) -> None:
    run = Run(source(), level=level, required=True)
    with pytest.raises(EnergyBackendError) as caught:
        run.idle.before_load()
    assert words in caught.value.message
    assert "lem doctor" in (caught.value.hint or "")
    assert caught.value.exit_code == 1


def test_required_and_lost_while_idle_fails() -> None:
    lost: Any = lambda t: None if t > 20 else 60.0  # noqa: E731
    run = Run(IdleSource(VirtualTime(), {"gpu:0": 60.0, "gpu:1": lost}), required=True)
    with pytest.raises(EnergyBackendError, match="gpu:1: it could not be read"):
        run.idle.before_load()


def test_required_and_had_is_fine() -> None:
    source = IdleSource(
        VirtualTime(), {"gpu:0": 60.0, "ram": 5.0}, more={"ram": ESTIMATED["gpu:0"]}
    )
    assert [b.power_w is None for b in Run(source, required=True)()] == [False, True]


def test_required_asks_nothing_of_a_process_that_another_reads_for() -> None:
    source = IdleSource(VirtualTime(), {})
    assert Run(source, required=True, reads_machine=False)() == ()


def test_an_engine_without_the_hook_has_no_context() -> None:
    run = Run(gpu(), level="context", engine=Engine)
    (found,) = run()
    assert found.method is BaselineMethod.UNAVAILABLE
    assert run.told == ["probe", "load"]
    (reason,) = baseline_reasons([found])
    assert reason.code is ReasonCode.BASELINE_UNAVAILABLE
    assert "no idle power of gpu:0 at level context" in reason.detail
    assert "set baseline.level to bare or loaded" in reason.detail
    with pytest.raises(EnergyBackendError, match="cannot prepare its device"):
        Run(gpu(), level="context", engine=Engine, required=True).idle.before_load()


def test_a_source_that_cannot_be_set_up_is_told() -> None:
    class Broken(IdleSource):
        def prepare(self) -> None:
            raise EnergyBackendError("no permission")

    run = Run(Broken(VirtualTime(), {"gpu:0": 60.0}))
    (found,) = run()
    assert (found.method, found.reason) == (BaselineMethod.UNAVAILABLE, "no permission")


def test_a_domain_that_fails_while_idle_is_a_note() -> None:
    lost: Any = lambda t: None if t > 20 else 60.0  # noqa: E731
    found = Run(IdleSource(VirtualTime(), {"gpu:0": 60.0, "gpu:1": lost}))()
    assert [r.code for r in baseline_reasons(found)] == [ReasonCode.BASELINE_UNAVAILABLE]


def test_an_unsteady_baseline_is_a_note() -> None:
    source = IdleSource(VirtualTime(), {"gpu:0": lambda t: 60.0 if t < 12 else 90.0})
    assert [r.code for r in baseline_reasons(Run(source)())] == [ReasonCode.BASELINE_UNSTEADY]
