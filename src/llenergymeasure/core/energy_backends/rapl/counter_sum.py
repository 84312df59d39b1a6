"""Adding up one counter over one window, wraps included, in whole microjoules.

  range |      /|    /|
        |  ___/ |___/ |__       the sum of the steps; one downwards is a wrap if it can be one
        | start           end

What cannot be told apart from a fault is a fault: a sum that may be short of a whole range, or
too large by one, is no sum.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

from llenergymeasure.core.energy_backends.rapl.zones import Kind
from llenergymeasure.domain.validity import Reason, ReasonCode

# No package draws more, nor its memory; psys may hold a whole server with its GPUs. Today's
# largest processors are sold with 500 W and may take twice that for a moment.
MOST_W: dict[Kind, float] = {"cpu": 1_000.0, "ram": 1_000.0, "psys": 10_000.0}

# The smallest range in use (32 bits of 15.3 uJ), for a kernel that does not tell its own.
SMALLEST_RANGE_UJ = 65_532_610_987

# Readings further apart than this are not as often as they should be.
HELD_UP_NS = 500_000_000

# A package never draws nothing; its counter steps every millisecond.
FROZEN_AFTER_NS = 500_000_000

# One that moves before and after has more time: a guest's host may pass its counter on in steps.
STOPPED_AFTER_NS = 2_000_000_000

# How far above its usual steps (in uJ a reading) a counter may step when it wraps.
_UNUSUAL = 4


@dataclass(frozen=True)
class _Wrap:
    """A step downwards: what it would be as a wrap, where it ended, and how long it took."""

    step_uj: int
    value_uj: int
    gap_ns: int


class CounterSum:
    """What one counter counted since its first reading.

    Args:
        file: The counter, for messages.
        kind: Of its domain.
        range_uj: Where it starts again; None if that is not known.
    """

    def __init__(self, file: Path, kind: Kind, range_uj: int | None) -> None:
        self._file = file
        self._most_w = MOST_W[kind]
        self._range_uj = range_uj
        self._wraps: list[_Wrap] = []
        self._usual_uj = 0
        self._fault: Reason | None = None
        self._first_uj = 0
        self._last_uj = 0
        self._moved_ns = 0
        self._stood_ns = 0
        self.total_uj = 0
        self.longest_gap_ns = 0
        self.times_ns = array("q")
        self.totals_uj = array("q")

    def add(self, at_ns: int, value_uj: int) -> None:
        """A reading; the first one is where the sum begins."""
        if self._fault is not None:
            return
        if self._range_uj is not None and value_uj > self._range_uj:
            self._range_is_wrong(value_uj)
        if not self.times_ns:
            self._first_uj, self._moved_ns = value_uj, at_ns
        else:
            self._step(at_ns - self.times_ns[-1], value_uj)
        if value_uj != self._last_uj:
            self._moved_ns = at_ns
        self._stood_ns = max(self._stood_ns, at_ns - self._moved_ns)
        self._last_uj = value_uj
        self.times_ns.append(at_ns)
        self.totals_uj.append(self.total_uj)

    def fail(self, fault: Reason) -> None:
        """The counter could not be read: there is no sum any more. The first fault is kept."""
        self._fault = self._fault or fault

    @property
    def failed(self) -> bool:
        """Whether there is no sum already, so that further readings are in vain."""
        return self._fault is not None

    @property
    def wraps(self) -> int:
        """How often it started again."""
        return len(self._wraps)

    @property
    def samples(self) -> int:
        """How often it was read."""
        return len(self.times_ns)

    @property
    def fed(self) -> bool:
        """Whether anything is behind the counter: some machines show one that stays at 0."""
        return self._first_uj > 0 or self.total_uj > 0

    @property
    def length_ns(self) -> int:
        """Between the first and the last reading."""
        return self.times_ns[-1] - self.times_ns[0] if self.times_ns else 0

    @property
    def fault(self) -> Reason | None:
        """Why there is no sum; None if there is one."""
        return self._fault or self._false_wrap() or self._frozen()

    def fastest_w(self, over_ns: int) -> float:
        """The highest power between two readings that lie at least so far apart."""
        found = [self.total_uj / self.length_ns] if self.length_ns else [0.0]
        begin = 0
        for place in range(1, len(self.times_ns)):
            gap_ns = self.times_ns[place] - self.times_ns[begin]
            if gap_ns >= over_ns:
                found.append((self.totals_uj[place] - self.totals_uj[begin]) / gap_ns)
                begin = place
        return max(found) * 1e3

    def _step(self, gap_ns: int, value_uj: int) -> None:
        self.longest_gap_ns = max(self.longest_gap_ns, gap_ns)
        if self._may_hide_wraps(gap_ns):
            self.fail(self._risk(f"was not read for {gap_ns / 1e9:.1f} s"))
            return
        step_uj = value_uj - self._last_uj
        if step_uj >= 0:
            self._usual_uj = max(self._usual_uj, step_uj)
        elif self._range_uj is None:
            fell = (
                f"fell from {self._last_uj} to {value_uj} uJ, and its range is not known: it may "
            )
            self.fail(self._risk(fell + "have "))
            return
        else:
            # The range is the largest value; from there to 0 is one unit of the hardware (15 to
            # 61 uJ), which the kernel does not tell.
            step_uj += self._range_uj
            self._wraps.append(_Wrap(step_uj, value_uj, gap_ns))
        self.total_uj += step_uj

    def _range_is_wrong(self, value_uj: int) -> None:
        """The counter itself shows that it does not start again there."""
        if self._wraps:
            beyond = (
                f"stands at {value_uj} uJ, beyond its range of {self._range_uj} uJ: it may have "
            )
            self.fail(self._risk(beyond))
        self._range_uj = None

    def _may_hide_wraps(self, gap_ns: int) -> bool:
        mean_w = self.total_uj / self.length_ns * 1e3 if self.length_ns else 0.0
        # A counter that has shown more power than any can have keeps its own measure.
        most_w = self._most_w if mean_w <= self._most_w else _UNUSUAL * mean_w
        least_uj = SMALLEST_RANGE_UJ if self._range_uj is None else self._range_uj
        possible_uj = most_w * gap_ns / 1e3
        return gap_ns > HELD_UP_NS and possible_uj >= least_uj

    def _risk(self, what: str) -> Reason:
        detail = f"{self._file} {what}: it may have started again unseen"
        return Reason(code=ReasonCode.COUNTER_WRAP_RISK, detail=detail)

    def _false_wrap(self) -> Reason | None:
        """A step downwards that no power explains: a reset, or a counter that cannot count.

        A wrap is judged by all the steps of the window, so only when it is over.
        """
        for wrap in self._wraps:
            second_uj = round(self._most_w * max(wrap.gap_ns / 1e3, 1e6))
            if wrap.step_uj <= max(second_uj, _UNUSUAL * self._usual_uj):
                continue
            if wrap.value_uj <= second_uj:
                return self._fell(ReasonCode.COUNTER_RESET, wrap, "began again")
            return self._fell(ReasonCode.COUNTER_BACKWARDS, wrap, "fell")
        return None

    def _fell(self, code: ReasonCode, wrap: _Wrap, what: str) -> Reason:
        detail = (
            f"{self._file} {what} at {wrap.value_uj} uJ, and is too far from its range's end "
            f"for a wrap: that would be {wrap.step_uj / 1e6:.0f} J in {wrap.gap_ns / 1e9:.2f} s"
        )
        return Reason(code=code, detail=detail)

    def _frozen(self) -> Reason | None:
        after_ns = STOPPED_AFTER_NS if self.total_uj > 0 else FROZEN_AFTER_NS
        if self.fed and self._stood_ns < after_ns:
            return None
        stood = "did not move" if self.fed else "stayed at 0"
        detail = f"{self._file} {stood} for {self._stood_ns / 1e9:.1f} s"
        return Reason(code=ReasonCode.COUNTER_FROZEN, detail=detail)
