"""Whether other processes keep this machine busy: they would be measured along.

Other measurements are named apart: at the moment of the look they may wait for something.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict

from llenergymeasure.core.machine.load import OTHER_CORES_LIMIT, QUANTISATION_CPU_S
from llenergymeasure.core.processes.measurements import OtherMeasurement, join_named
from llenergymeasure.domain.environment import LoadSample
from llenergymeasure.orchestration.machine.checks import Check, CheckState

_NAME = "load"
_HINT = "stop what else runs, or wait for it: it slows the run down and its joules count"


def judge_load(sample: LoadSample, cores: int | None = None) -> Check:
    """What a look at the load says; the limits are those of a result's own verdict.

    Args:
        sample: Over the time that the doctor looked.
        cores: Of the machine; as the system counts them by default.
    """
    cores = cores or os.cpu_count() or 1
    waiting = sample.load_average_1m
    average = None if waiting is None else f"load average {waiting:.2f}"
    facts = {"cores": cores, **sample.model_dump()}
    if sample.other_cores is None:
        detail = "the CPU use of other processes cannot be read here"
        hint = "no result can rule out that others were busy"
        return Check(_NAME, CheckState.WARNING, _join(detail, average), hint, facts)
    used = (
        f"other processes keep {sample.other_cores:.2f} of {cores} cores busy "
        f"(seen over {sample.interval_s:.1f} s)"
    )
    limit = OTHER_CORES_LIMIT + QUANTISATION_CPU_S / sample.interval_s
    # More that wants to run than there are cores: a pause of one second says little.
    is_busy = sample.other_cores > limit or (waiting is not None and waiting > cores)
    state = CheckState.WARNING if is_busy else CheckState.OK
    return Check(_NAME, state, _join(used, average), _HINT if is_busy else None, facts)


def judge_others(others: Sequence[OtherMeasurement]) -> Check:
    """Whether anything else is measured on this machine now."""
    name = "other measurements"
    if not others:
        return Check(name, CheckState.OK, "none is under way on this machine")
    detail = f"under way on this machine: {join_named(others)}"
    hint = "wait until they have ended: they slow each other down and count each other's work"
    return Check(name, CheckState.WARNING, detail, hint, {"others": [*map(asdict, others)]})


def _join(detail: str, average: str | None) -> str:
    return detail if average is None else f"{detail}, {average} in the last minute"
