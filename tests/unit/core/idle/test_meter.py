"""Idle power: measured, stored, looked at again."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
from idle_source import IdleSource, VirtualTime

from llenergymeasure.config.run_models import BaselineConfig
from llenergymeasure.core.idle.cache import BaselineCache
from llenergymeasure.core.idle.meter import PARTS, IdleMeter
from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod
from llenergymeasure.domain.energy import EnergyMethod
from llenergymeasure.domain.validity import Reason, ReasonCode

FRESH, CACHED = BaselineMethod.FRESH, BaselineMethod.CACHED
NOT_APPLICABLE, UNAVAILABLE = BaselineMethod.NOT_APPLICABLE, BaselineMethod.UNAVAILABLE
ESTIMATED = {"method": EnergyMethod.ESTIMATED}


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def cache(tmp_path: Path, time: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> BaselineCache:
    class Clock:
        @staticmethod
        def now(zone: Any) -> Any:
            return time.utc().astimezone(zone)

    monkeypatch.setattr("llenergymeasure.core.idle.meter.datetime", Clock)
    return BaselineCache(tmp_path / "cache", now=time.utc)


def meter(source: IdleSource, cache: BaselineCache, engine: str = "echo", **options: Any) -> Any:
    config = BaselineConfig(**options)
    return IdleMeter(source, config, engine=engine, cache=cache, sleep=source.time.sleep)


def files(cache: BaselineCache) -> list[Path]:
    return sorted(cache._folder.glob("*.json"))


def test_it_is_the_power_of_the_domains_own_windows(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": 60.0, "cpu": 12.5}, lag_s=0.3)
    gpu, cpu = meter(source, cache, duration_s=10).take()
    assert (gpu.power_w, cpu.power_w) == (pytest.approx(60.0), pytest.approx(12.5))
    assert (gpu.device_id, gpu.source, gpu.level) == ("GPU-0", "virtual", BaselineLevel.BARE)
    assert (gpu.method, gpu.samples) == (FRESH, PARTS)
    assert gpu.duration_s == pytest.approx(10 + PARTS * 0.3)
    assert gpu.spread_w == pytest.approx(0, abs=1e-9)
    assert gpu.findings == ()
    # A probe, then the parts.
    assert time.slept == [0.02, *[2.0] * PARTS]


def test_the_spread_is_that_of_the_parts(time: VirtualTime, cache: Any) -> None:
    powers = iter([50.0, 58.0, 61.0, 60.0, 62.0, 59.0])  # the first is the probe's
    source = IdleSource(time, {"gpu:0": lambda _: next(powers)})
    (gpu,) = meter(source, cache).take()
    assert gpu.power_w == pytest.approx(60.0)
    assert gpu.spread_w == pytest.approx(statistics.stdev([58, 61, 60, 62, 59]))
    # Student's t for 5 parts is 2.776.
    assert gpu.uncertainty_w == pytest.approx(2.776 * gpu.spread_w / 5**0.5, rel=1e-3)


def test_a_stored_one_is_used_after_a_short_look(time: VirtualTime, cache: Any) -> None:
    meter(IdleSource(time, {"gpu:0": 60.0}), cache).take()
    time.sleep(1000)
    time.slept.clear()
    (gpu,) = meter(IdleSource(time, {"gpu:0": 61.0}), cache).take()
    assert (gpu.method, gpu.power_w, gpu.samples) == (CACHED, 60.0, PARTS)
    assert gpu.age_s == pytest.approx(1030 + 3.02, abs=0.1)
    assert time.slept == [0.02, 3.0], "the look takes a tenth of the idle time"
    assert gpu.uncertainty_w == pytest.approx(1.0), "what the look was off by"


def test_a_look_takes_two_seconds_at_least(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": 60.0})
    meter(source, cache, duration_s=5).take()
    time.slept.clear()
    meter(source, cache, duration_s=5).take()
    assert time.slept == [0.02, 2.0]


@pytest.mark.parametrize(
    ("now_w", "method"),
    [(60.0, CACHED), (62.9, CACHED), (57.1, CACHED), (63.1, FRESH), (56.9, FRESH), (180.0, FRESH)],
)
def test_one_that_has_drifted_is_measured_anew(
    time: VirtualTime, cache: Any, now_w: float, method: BaselineMethod
) -> None:
    meter(IdleSource(time, {"gpu:0": 60.0}), cache).take()
    (gpu,) = meter(IdleSource(time, {"gpu:0": now_w}), cache).take()
    assert gpu.method is method
    assert gpu.power_w == pytest.approx(60.0 if method is CACHED else now_w)
    if method is FRESH:
        (again,) = meter(IdleSource(time, {"gpu:0": now_w}), cache).take()
        assert (again.method, again.power_w) == (CACHED, pytest.approx(now_w))


def test_one_drifted_domain_measures_all_anew(time: VirtualTime, cache: Any) -> None:
    meter(IdleSource(time, {"gpu:0": 60.0, "gpu:1": 60.0}), cache).take()
    found = meter(IdleSource(time, {"gpu:0": 60.0, "gpu:1": 90.0}), cache).take()
    assert [b.method for b in found] == [FRESH, FRESH]


def test_an_old_one_is_measured_anew(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": 60.0})
    meter(source, cache, cache_ttl_s=60).take()
    (gpu,) = meter(source, cache, cache_ttl_s=60).take()
    assert gpu.method is CACHED
    time.sleep(30)
    (gpu,) = meter(source, cache, cache_ttl_s=60).take()
    assert gpu.method is FRESH


def test_one_from_the_future_is_measured_anew(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": 60.0})
    meter(source, cache).take()
    time.s -= 1000
    assert meter(source, cache).take()[0].method is FRESH


OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "level": ({"level": "bare"}, {"level": "context"}),
    "engine": ({"level": "context"}, {"level": "context", "engine": "pytorch"}),
    "model": ({"level": "loaded", "model": "a"}, {"level": "loaded", "model": "b"}),
    "device": ({}, {"device_id": "GPU-other"}),
    "source": ({}, {"source": "zeus"}),
    "method": ({}, {"method": EnergyMethod.INTEGRATED}),
}


@pytest.mark.parametrize("what", OTHERS)
def test_one_of_something_else_is_not_used(what: str, time: VirtualTime, cache: Any) -> None:
    def taken(model: str | None = None, engine: str = "echo", level: str = "bare", **more: Any):
        source = IdleSource(time, {"gpu:0": 60.0}, more={"gpu:0": more})
        return meter(source, cache, engine, level=level).take(model)[0].method

    first, other = OTHERS[what]
    assert taken(**first) is FRESH
    assert taken(**other) is FRESH
    assert taken(**first) is CACHED
    assert taken(**other) is CACHED


def test_what_is_not_on_a_bare_device_does_not_matter(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": 60.0})
    meter(source, cache, "echo").take()
    assert meter(source, cache, "pytorch").take()[0].method is CACHED


def test_a_device_is_known_by_its_id_not_its_number(time: VirtualTime, cache: Any) -> None:
    meter(IdleSource(time, {"gpu:0": 60.0}), cache).take()
    moved = IdleSource(time, {"gpu:3": 60.0}, more={"gpu:3": {"device_id": "GPU-0"}})
    assert meter(moved, cache).take()[0].method is CACHED


def test_another_machine_measures_its_own(
    time: VirtualTime, cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = IdleSource(time, {"gpu:0": 60.0})
    meter(source, cache).take()
    monkeypatch.setattr(cache, "_machine", "elsewhere")
    assert meter(source, cache).take()[0].method is FRESH


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b'{"schema_version": 1}', b'{"schema_version": 99}', None],
    ids=["empty", "torn", "binary", "list", "fields", "newer", "folder"],
)
def test_a_damaged_cache_costs_a_measurement(
    time: VirtualTime, cache: Any, content: bytes | None
) -> None:
    source = IdleSource(time, {"gpu:0": 60.0})
    meter(source, cache).take()
    (file,) = files(cache)
    if content is None:
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(content)
    assert meter(source, cache).take()[0].method is FRESH
    if content is not None:
        assert meter(source, cache).take()[0].method is CACHED


@pytest.mark.parametrize("damage", [{"power_w": -1}, {"power_w": "NaN"}, {"machine": "other"}])
def test_values_that_cannot_be_are_not_used(
    time: VirtualTime, cache: Any, damage: dict[str, Any]
) -> None:
    import json

    source = IdleSource(time, {"gpu:0": 60.0})
    meter(source, cache).take()
    (file,) = files(cache)
    file.write_text(json.dumps({**json.loads(file.read_text()), **damage}))
    assert meter(source, cache).take()[0].method is FRESH


def test_a_cache_that_cannot_be_written_is_no_failure(time: VirtualTime, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = BaselineCache(tmp_path / "file" / "below")
    source = IdleSource(time, {"gpu:0": 60.0})
    for _ in range(2):
        (gpu,) = meter(source, cache).take()
        assert (gpu.method, gpu.power_w) == (FRESH, pytest.approx(60.0))


def test_no_time_is_spent_on_estimates(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"cpu": 60.0, "ram": 5.0}, more={"cpu": ESTIMATED, "ram": ESTIMATED})
    one = meter(source, cache)
    assert not one.measurable()
    found = one.without_measuring()
    assert [(b.name, b.method) for b in found] == [("cpu", NOT_APPLICABLE), ("ram", NOT_APPLICABLE)]
    assert all(b.reason and "estimated" in b.reason for b in found)
    assert time.slept == [0.02]
    assert source.windows == 1


def test_no_time_is_spent_on_replays(time: VirtualTime, cache: Any) -> None:
    one = meter(IdleSource(time, {"gpu:0": 60.0}, replayed=True), cache)
    assert not one.measurable()
    (gpu,) = one.without_measuring()
    assert (gpu.method, gpu.power_w) == (NOT_APPLICABLE, None)
    assert "replayed" in (gpu.reason or "")


def test_a_source_without_any_number_is_unavailable(time: VirtualTime, cache: Any) -> None:
    one = meter(IdleSource(time, {"gpu:0": None}), cache)
    assert not one.measurable()
    (gpu,) = one.without_measuring()
    assert (gpu.method, gpu.reason) == (UNAVAILABLE, "it could not be read")


def test_estimates_stand_beside_what_is_measured(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": 60.0, "ram": 5.0}, more={"ram": ESTIMATED})
    for method in (FRESH, CACHED):
        gpu, ram = meter(source, cache).take()
        assert (gpu.method, gpu.power_w) == (method, pytest.approx(60.0))
        assert (ram.method, ram.power_w) == (NOT_APPLICABLE, None)


def test_a_domain_that_fails_while_idle_is_unavailable(time: VirtualTime, cache: Any) -> None:
    lost: Any = lambda t: None if t > 10 else 60.0  # noqa: E731
    found = meter(IdleSource(time, {"gpu:0": 60.0, "gpu:1": lost}), cache).take()
    assert [(b.method, b.power_w is None) for b in found] == [(FRESH, False), (UNAVAILABLE, True)]
    assert found[1].reason == "it could not be read"
    assert len(files(cache)) == 1


def test_a_domain_that_is_not_here_is_not_spoken_of(time: VirtualTime, cache: Any) -> None:
    absent = {"gpu:1": {"expected": False}, "psys": {"counted": False}}
    source = IdleSource(time, {"gpu:0": 60.0, "gpu:1": None, "psys": 99.0}, more=absent)
    assert [b.name for b in meter(source, cache).take()] == ["gpu:0"]


def test_without_a_window_there_is_no_power(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": 60.0}, more={"gpu:0": {"window": None}})
    (gpu,) = meter(source, cache).take()
    assert gpu.method is UNAVAILABLE
    assert "how long its window was" in (gpu.reason or "")


def test_a_power_that_varies_is_unsteady(time: VirtualTime, cache: Any) -> None:
    source = IdleSource(time, {"gpu:0": lambda t: 60.0 if t < 12 else 90.0})
    (gpu,) = meter(source, cache).take()
    assert [f.code for f in gpu.findings] == [ReasonCode.BASELINE_UNSTEADY]
    assert "varied by" in gpu.findings[0].detail


def test_a_foreign_process_is_told_and_not_stored(time: VirtualTime, cache: Any) -> None:
    foreign = Reason(code=ReasonCode.FOREIGN_PROCESS, detail="pid 7")
    source = IdleSource(time, {"gpu:0": 60.0}, more={"gpu:0": {"findings": (foreign,)}})
    (gpu,) = meter(source, cache).take()
    assert gpu.power_w == pytest.approx(60.0)
    assert [f.code for f in gpu.findings] == [ReasonCode.BASELINE_UNSTEADY]
    assert "another process computed on gpu:0" in gpu.findings[0].detail
    assert files(cache) == []


def test_a_stored_one_keeps_its_unsteadiness(time: VirtualTime, cache: Any) -> None:
    powers = iter([60.0, 50.0, 70.0, 50.0, 70.0, 60.0, *[60.0] * 9])
    source = IdleSource(time, {"gpu:0": lambda _: next(powers)})
    (fresh,) = meter(source, cache).take()
    (cached,) = meter(source, cache).take()
    assert cached.method is CACHED
    assert cached.findings == fresh.findings != ()


def test_no_domain_gives_no_baseline(time: VirtualTime, cache: Any) -> None:
    one = meter(IdleSource(time, {}), cache)
    assert not one.measurable()
    assert one.without_measuring() == ()
