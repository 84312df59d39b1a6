from __future__ import annotations

import threading

import pytest

from llenergymeasure.deadline import Call, StuckError, within


def test_what_comes_back_is_given_and_what_is_raised_is_raised() -> None:
    assert within(lambda: 7, 30) == 7
    assert within(lambda: None, 30) is None
    with pytest.raises(ZeroDivisionError):
        within(lambda: 1 // 0, 30)


def test_a_call_that_hangs_is_left() -> None:
    held = threading.Event()
    with pytest.raises(StuckError, match=r"within 0\.01 s"):
        within(held.wait, 0.01)
    held.set()


@pytest.mark.parametrize("fails", [False, True])
def test_what_comes_back_late_is_tidied_up_once(fails: bool) -> None:
    held, tidied = threading.Event(), threading.Event()

    def late() -> None:
        tidied.set()
        raise RuntimeError("nobody is told")

    def hang() -> None:
        held.wait()
        if fails:
            raise ValueError("nobody is told")

    with pytest.raises(StuckError):
        within(hang, 0.01, late=late)
    assert not tidied.is_set()
    held.set()
    assert tidied.wait(30)


def test_what_comes_back_in_time_is_not_tidied_up() -> None:
    tidied: list[int] = []
    call = Call(lambda: 7, late=lambda: tidied.append(1))
    assert call.wait(30)
    assert call.result(0) == 7
    assert tidied == []


def test_one_that_is_waited_for_goes_on() -> None:
    held = threading.Event()
    call = Call(held.wait)
    assert not call.wait(0.01)
    held.set()
    assert call.result(30) is True
