"""What is wrong with an energy counter itself, by the reads of one window."""

from __future__ import annotations

import numpy as np

from llenergymeasure.core.energy_backends.gpu.signal.reads import CounterReads
from llenergymeasure.core.energy_backends.gpu.signal.ticks import Period
from llenergymeasure.domain.validity import Reason, ReasonCode

# Every counter known steps within 100 ms; five steps left out are no accident.
_FROZEN_PERIODS = 5
_FROZEN_AT_LEAST_NS = 450_000_000

# What a counter can have come to since a reset that nobody saw: seconds at more than any GPU draws.
_SINCE_RESET_J = 5_000.0


def counter_fault(reads: CounterReads, period: Period | None) -> Reason | None:
    """What is wrong with the counter, if anything."""
    return _fell(reads) or _froze(reads, period)


def _fell(reads: CounterReads) -> Reason | None:
    falls = np.flatnonzero(np.diff(reads.values_mj) < 0)
    if len(falls) == 0:
        return None
    from_j, to_j = (float(reads.values_mj[falls[0] + i]) / 1e3 for i in (0, 1))
    words = f"the energy counter went from {from_j:.3f} J to {to_j:.3f} J"
    if to_j <= _SINCE_RESET_J:
        return Reason(
            code=ReasonCode.COUNTER_RESET,
            detail=f"{words}: the driver was loaded again or the GPU was reset",
        )
    return Reason(
        code=ReasonCode.COUNTER_BACKWARDS, detail=f"{words}: an energy counter cannot decrease"
    )


def _froze(reads: CounterReads, period: Period | None) -> Reason | None:
    """A value that was read again, unchanged, when it must long have stepped.

    A time without reads is no sign of it: only what lies between two reads of one value counts.
    """
    if len(reads) < 2:
        return None
    changes = np.flatnonzero(np.diff(reads.values_mj))
    first = np.concatenate(([0], changes + 1))
    last = np.concatenate((changes, [len(reads) - 1]))
    longest_ns = int(np.max(reads.before_ns[last] - reads.after_ns[first]))
    usual_ns = period.period_ns if period else 0
    if longest_ns < max(_FROZEN_PERIODS * usual_ns, _FROZEN_AT_LEAST_NS):
        return None
    return Reason(
        code=ReasonCode.COUNTER_FROZEN,
        detail=f"the energy counter did not move for {longest_ns / 1e9:.2f} s",
    )
