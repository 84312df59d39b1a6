from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.core.energy_backends.gpu.findings import (
    REASONS,
    gate_findings,
    throttle_shares,
)
from llenergymeasure.core.energy_backends.gpu.telemetry import Telemetry
from llenergymeasure.domain.validity import ReasonCode


class Scripted:
    """A device that tells rows of values, one a look, and what is set and running."""

    def __init__(
        self,
        rows: Sequence[dict[str, float]],
        settings: Sequence[dict[str, float]] = (),
        pids: Sequence[tuple[int, ...] | None] = (),
    ) -> None:
        self.quantities = tuple(rows[0]) if rows else ()
        self._rows = [list(row.values()) for row in rows]
        self._settings, self._pids = list(settings), list(pids)

    def read(self) -> list[float]:
        return self._rows.pop(0)

    def settings(self) -> dict[str, float]:
        return self._settings.pop(0) if self._settings else {}

    def pids(self) -> tuple[int, ...] | None:
        return self._pids.pop(0) if self._pids else None


class Tree:
    """Ids above 100 are foreign."""

    def foreign(self, pids: Sequence[int]) -> dict[int, str]:
        return {pid: "" if pid == 101 else "visitor" for pid in pids if pid > 100}


def watched(device: Any, looks: int, around: int = 0, tree: Any = None) -> Telemetry:
    """Look at 1, 2, 3, ... ns."""
    clock = iter(range(1, looks + 1))
    telemetry = Telemetry(device, tree, lambda: next(clock))
    for _ in range(looks):
        telemetry.look()
    for _ in range(around):
        telemetry.look_around()
    return telemetry


def found(telemetry: Telemetry, end_ns: int = 1000) -> list[tuple[ReasonCode, str]]:
    """All but that processes cannot be told apart, which most of these devices say."""
    every = gate_findings("gpu:0", telemetry, 1, end_ns)
    return [(o.code, o.detail) for o in every if o.code is not ReasonCode.PROCESSES_UNKNOWN]


def unknown(telemetry: Telemetry) -> bool:
    codes = [one.code for one in gate_findings("gpu:0", telemetry, 1, 1000)]
    return ReasonCode.PROCESSES_UNKNOWN in codes


def throttle(*bits: float) -> Telemetry:
    return watched(Scripted([{"throttle_reasons": bit} for bit in bits]), len(bits))


def test_a_device_that_tells_nothing_has_nothing_against_it() -> None:
    assert found(watched(Scripted([]), 3, 2)) == []


def test_reads_that_failed_do_not_count() -> None:
    assert throttle_shares(throttle(math.nan, 0x40, 0, math.nan), 1, 9) == {
        "hw_thermal_slowdown": 0.5
    }
    assert throttle_shares(throttle(math.nan), 1, 9) == {}


def test_looks_outside_of_the_window_do_not_count() -> None:
    assert throttle_shares(throttle(0, 0, 0x40), 1, 2) == {}
    assert throttle_shares(throttle(0x40, 0), 2, 2) == {}


@given(st.lists(st.integers(0, 0x7FF), min_size=1, max_size=30))
def test_a_share_is_that_of_the_looks_in_which_a_reason_held(bits: list[int]) -> None:
    shares = throttle_shares(throttle(*bits), 1, 1000)
    for bit, name in REASONS.items():
        held = sum(bool(one & bit) for one in bits)
        assert shares.get(name, 0.0) == held / len(bits)
        assert (name in shares) == (held > 0)


@given(st.integers(0, 0x7FF))
def test_only_slowdowns_and_the_power_cap_are_found(bits: int) -> None:
    codes = [code for code, _ in found(throttle(bits))]
    expected = [ReasonCode.THROTTLED] * bool(bits & (0x8 | 0x20 | 0x40 | 0x80))
    assert codes == expected + [ReasonCode.POWER_CAPPED] * bool(bits & 0x4)


def limits(*watts: float) -> Telemetry:
    return watched(Scripted([{"power_limit_w": one} for one in watts]), len(watts))


def test_a_limit_that_stays_is_nothing_and_one_that_moves_is_told_step_by_step() -> None:
    assert found(limits(300, 300.2, math.nan, 300)) == []
    ((code, detail),) = found(limits(300, 300, 250, 250, 300))
    assert code is ReasonCode.POWER_LIMIT_CHANGED
    assert detail == "gpu:0: its enforced power limit went from 300 W to 250 W, then 300 W"


def test_a_limit_that_moves_by_the_look_after_the_end_counts() -> None:
    assert [code for code, _ in found(limits(300, 200), end_ns=1)] == [
        ReasonCode.POWER_LIMIT_CHANGED
    ]


def test_a_cap_names_its_limit_where_it_is_known() -> None:
    both = Scripted([{"throttle_reasons": 4, "power_limit_w": 300}])
    assert "its power limit of 300 W held" in found(watched(both, 1))[0][1]
    assert "its power limit held" in found(throttle(4))[0][1]


def test_settings_are_compared_even_where_one_read_failed() -> None:
    told = [{"a": 1980.0, "b": 5.0}, {"b": 5.0}, {"a": 1200.0, "b": 5.0}, {"a": 1200.0}]
    ((code, detail),) = found(watched(Scripted([], told), 0, 4))
    assert code is ReasonCode.CLOCKS_CHANGED
    assert detail == "gpu:0: its clock settings were changed: a from 1980 MHz to 1200 MHz"


def test_foreign_processes_are_named_once_and_kept_when_they_leave() -> None:
    lists = [(1, 101), None, (1, 102), (1,)]
    telemetry = watched(Scripted([], pids=lists), 0, 4, Tree())
    ((code, detail),) = found(telemetry)
    assert code is ReasonCode.FOREIGN_PROCESS
    assert detail.endswith("computed on it: 101, 102 (visitor)")
    assert telemetry.pids == (1, 101, 102)
    assert dict(telemetry.foreign or {}) == {101: "", 102: "visitor"}


def test_nobody_is_foreign_where_ids_or_lists_cannot_be_read() -> None:
    no_tree = watched(Scripted([], pids=[(101,)]), 0, 1)
    assert (no_tree.pids, no_tree.foreign, found(no_tree)) == ((101,), None, [])
    no_list = watched(Scripted([], pids=[None]), 0, 1, Tree())
    assert (no_list.pids, no_list.foreign, found(no_list)) == (None, None, [])
    assert unknown(no_tree)
    assert unknown(no_list)
    assert not unknown(watched(Scripted([], pids=[(1,)]), 0, 1, Tree()))
