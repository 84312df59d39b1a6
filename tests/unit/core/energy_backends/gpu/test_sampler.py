from __future__ import annotations

import threading
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.gpu.sampler import Sampler, _Duty


class Counted:
    """A device's track and telemetry: counts who is asked."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.observed = self.looked = self.around = 0
        self.threads: set[int] = set()
        self.times: list[float] = []
        self._takes_s = takes_s

    def observe(self) -> None:
        self.observed += 1
        self.times.append(time.monotonic())
        self.threads.add(threading.get_ident())
        time.sleep(self._takes_s)

    def look(self) -> None:
        self.looked += 1
        self.threads.add(threading.get_ident())

    def look_around(self) -> None:
        self.around += 1


def sampled(seconds: float, every_s: float, state_s: float, one: Any) -> float:
    """How long it really was sampled, in s: a busy machine may be late."""
    begin_s = time.monotonic()
    sampler = Sampler([one], every_s, [one], state_s)
    time.sleep(seconds)
    sampler.stop()
    return time.monotonic() - begin_s


def test_each_kind_is_read_in_its_own_rhythm_by_one_thread() -> None:
    one = Counted()
    took_s = sampled(0.55, 0.02, 0.1, one)
    # A busy machine may miss some; none may come early.
    assert 2 <= one.observed <= took_s / 0.02
    assert 2 <= one.looked <= took_s / 0.1 + 1
    assert one.looked < one.observed
    assert 1 <= one.around <= took_s + 1
    assert len(one.threads) == 1 and threading.get_ident() not in one.threads


def test_one_interval_is_one_rhythm() -> None:
    one = Counted()
    sampled(0.55, 0.1, 0.1, one)
    # The state is read at once, power an interval later.
    assert one.looked - one.observed == 1


def test_a_short_window_has_its_state_read_too() -> None:
    one = Counted()
    sampler = Sampler([one], 0.1, [one], 0.1)  # type: ignore[list-item]
    deadline = time.monotonic() + 60
    while not one.around and time.monotonic() < deadline:
        time.sleep(0.001)
    sampler.finish()
    sampler.stop()
    sampler.stop()
    assert (one.looked, one.around) == (1, 1)
    assert not sampler._thread.is_alive()


def test_what_was_missed_is_not_made_up_for() -> None:
    slow = Counted(takes_s=0.05)
    sampled(0.5, 0.02, 10, slow)
    gaps = [after - before for before, after in zip(slow.times, slow.times[1:], strict=False)]
    assert gaps and min(gaps) >= 0.049


@given(st.integers(1, 1000), st.lists(st.integers(0, 5000), max_size=40))
def test_a_duty_keeps_its_rhythm(every_ns: int, steps: list[int]) -> None:
    done: list[int] = []
    now_ns = 0
    duty = _Duty(lambda: done.append(now_ns), every_ns, 0)
    for step in steps:
        now_ns += step
        before = len(done)
        due_ns = duty.do_if_due(now_ns)
        assert due_ns > now_ns and due_ns % every_ns == 0 and due_ns - now_ns <= every_ns
        assert len(done) - before <= 1
    # At most one a stretch, and one in each stretch in which it was asked.
    assert [at // every_ns for at in done] == sorted({t // every_ns for t in _times(steps)})


def _times(steps: list[int]) -> list[int]:
    times, now = [], 0
    for step in steps:
        now += step
        times.append(now)
    return times
