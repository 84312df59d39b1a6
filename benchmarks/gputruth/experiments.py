"""The experiments: each measures, and hands what follows from it to ``analysis``."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gputruth import analysis, registers
from gputruth.analysis import Verdict
from gputruth.driver import sleep_until
from gputruth.load import LEVELS, PULSE_PERIOD_S, SWEEP_DUTY, SWEEP_PERIOD_S, Load, Unloaded
from gputruth.meters import Meters, mean_w_of
from gputruth.plan import Plan

Rows = list[dict[str, Any]]


@dataclass
class Outcome:
    """What an experiment found.

    Attributes:
        rows: For the table and the raw samples.
        verdict: What follows.
        notes: What a reader needs to know beside the table.
        samples: Raw samples, where they are more than the rows.
    """

    rows: Rows
    verdict: Verdict
    notes: list[str] = field(default_factory=list)
    samples: Rows = field(default_factory=list)


def updates(load: Load, device: str, plan: Plan) -> Outcome:
    """How often the registers change."""
    read = registers.readers(device)
    with load.steady(device):
        time.sleep(plan.lead_s)
        seen = registers.changes(read, plan.updates_s)
    told = {name: analysis.updates([at for at, _ in found]) for name, found in seen.items()}
    rows = [
        {
            "register": name,
            "median ms": found.median_ms,
            "5 % to 95 % ms": None
            if found.low_ms is None
            else f"{found.low_ms:.1f} to {found.high_ms:.1f}",
            "changes": found.changes,
        }
        for name, found in told.items()
    ]
    absent = {registers.COUNTER, registers.INSTANT, registers.AVERAGE} - set(read)
    notes = [f"Not offered by this GPU: {', '.join(sorted(absent))}."] if absent else []
    verdict = analysis.updates_verdict(told.get(registers.COUNTER), told.get(registers.INSTANT))
    samples = [
        {"register": name, "t_s": at, "value": value}
        for name, found in seen.items()
        for at, value in found[:200]
    ]
    return Outcome(rows, verdict, notes, samples)


def ladder(load: Load, device: str, plan: Plan) -> Outcome:  # noqa: ARG001
    """Idle power with nothing, with a context, with memory in use."""
    meters = Meters()
    rows: Rows = []
    parts = plan.idle_parts
    levels = LEVELS if not isinstance(load, Unloaded) else LEVELS[:1]
    for level in levels:
        with load.level(level) as at:
            meters.of(at)
            time.sleep(plan.settle_s)
            watts = [mean_w_of(meters, at, plan.idle_s / parts) for _ in range(parts)]
        rows.append(
            {
                "level": level,
                "mean W": statistics.mean(watts),
                "spread W": statistics.stdev(watts),
                "windows": parts,
            }
        )
    meters.close()
    steps = [(row["level"], row["mean W"], row["spread W"]) for row in rows]
    notes = [] if len(levels) > 1 else ["Without torch on CUDA there is nothing but `bare`."]
    return Outcome(rows, analysis.ladder_verdict(steps), notes)


OURS, WITNESS, ZEUS = "lem counter", "lem integral of power", "zeus"


def readers(load: Load, device: str, plan: Plan) -> Outcome:
    """Several readers around the same windows."""
    meters = Meters()
    rows: Rows = []
    notes: list[str] = []
    zeus = _zeus(device, notes)
    watts: dict[str, float] = {}
    with load.steady(device) as at:
        meters.of(at)
        time.sleep(plan.lead_s)
        for seconds in plan.windows_s:
            watts = _one_window(meters, at, seconds, zeus)
            rows.append({"window s": seconds, **{f"{n} W": w for n, w in watts.items()}})
    meters.close()
    if isinstance(load, Unloaded):
        notes.append("The GPU was left alone: there is little to disagree about.")
    return Outcome(rows, analysis.agreement_verdict(plan.windows_s[-1], watts, OURS), notes)


def _one_window(meters: Meters, device: str, seconds: float, zeus: Any) -> dict[str, float]:
    average = registers.AveragedPower(device)
    told: dict[str, float] = {}

    def around() -> None:
        average.start()
        if zeus is None:
            time.sleep(seconds)
        else:
            zeus.begin_window("w", sync_execution=False)
            time.sleep(seconds)
            measured = zeus.end_window("w", sync_execution=False)
            told[ZEUS] = measured.total_energy / measured.time
        averaged_w = average.stop()
        if averaged_w is not None:
            told[average.source] = averaged_w

    domain, _ = meters.window(device, around)
    length_s = domain.window.duration_s
    ours = {OURS: domain.joules / length_s}
    if domain.evidence.witness_j is not None:
        ours[WITNESS] = domain.evidence.witness_j / length_s
    return {**ours, **told}


def _zeus(device: str, notes: list[str]) -> Any:
    try:
        import logging

        logging.disable(logging.CRITICAL)
        from zeus.monitor import ZeusMonitor

        return ZeusMonitor(gpu_indices=[registers.device_index(device)])
    except ImportError:
        notes.append("zeus is not installed.")
    except Exception as error:  # noqa: BLE001 - a reader that refuses is told, not fatal
        notes.append(f"zeus refuses: {type(error).__name__}.")
    return None


def phases(load: Load, device: str, plan: Plan) -> Outcome:
    """Short pulses at every phase against the counter's steps.

    The counter is read from step to step, over whole periods, so that no edge is in the way.
    """
    cases = [case for _ in range(plan.phase_rounds) for case in range(plan.phases)]
    # At random, so that the GPU's warming up is not taken for a phase.
    random.Random(1).shuffle(cases)
    anchor_s, step_s = _rhythm(device)
    period_s = max(1, round(SWEEP_PERIOD_S / step_s)) * step_s
    rows: Rows = []
    for case in cases:
        start_s = anchor_s + period_s * case / plan.phases
        with load.pulses(case, period_s, SWEEP_DUTY, start_s) as pulsing:
            time.sleep(plan.lead_s)
            mean_w = _by_steps_w(pulsing.device, plan.phase_s, step_s, period_s)
        rows.append({"phase": case / plan.phases, "mean W": mean_w, "at work": pulsing.busy_share})
    rows.sort(key=lambda row: row["phase"])
    swing = analysis.phase_swing([r["phase"] for r in rows], [r["mean W"] for r in rows])
    notes = [f"Pulses of {1e3 * SWEEP_DUTY * period_s:.1f} ms every {1e3 * period_s:.2f} ms."]
    return Outcome(rows, analysis.phase_verdict(swing), notes)


def _rhythm(device: str) -> tuple[float, float]:
    """When the counter stepped, and its period, both in s."""
    steps = [at for at, _ in registers.changes({"": _counter(device)}, 1.5)[""]]
    step_s = analysis.fitted_period_s(steps)
    if step_s is None:
        raise RuntimeError("the energy counter does not step")
    return steps[-1], step_s


def _by_steps_w(device: str, seconds: float, step_s: float, period_s: float) -> float:
    """Mean power from a step of the counter to one that is whole periods later."""
    counter = _counter(device)
    begin_s, begin_j = registers.next_change(counter)
    end_s = begin_s + math.ceil(seconds / period_s) * period_s
    sleep_until(end_s - 0.3 * step_s)
    at_s, joules = registers.next_change(counter)
    return (joules - begin_j) / (at_s - begin_s)


def _counter(device: str) -> Callable[[], float]:
    read = registers.readers(device)
    if registers.COUNTER not in read:
        raise NothingToMeasureError("the GPU has no energy counter")
    return read[registers.COUNTER]


def duties(load: Load, device: str, plan: Plan) -> Outcome:  # noqa: ARG001
    """Power over the share of time at work."""
    meters = Meters()
    rows: Rows = []
    for case, duty in enumerate(plan.duties):
        with load.pulses(case, PULSE_PERIOD_S, duty, 0.0) as pulsing:
            meters.of(pulsing.device)
            time.sleep(plan.lead_s)
            mean_w = mean_w_of(meters, pulsing.device, plan.duty_s, period_s=PULSE_PERIOD_S)
        rows.append({"asked": duty, "at work": pulsing.busy_share, "mean W": mean_w})
    meters.close()
    shares = [row["at work"] for row in rows]
    return Outcome(rows, analysis.line_verdict(shares, [row["mean W"] for row in rows]))


def doubled(load: Load, device: str, plan: Plan) -> Outcome:
    """The same work once and twice, in the order A B B A."""
    meters = Meters()
    meters.of(device)
    load.work(plan.work_s, 1)  # fitted and warm
    rows: Rows = []
    for pair in range(plan.pairs):
        for times in (1, 2) if pair % 2 == 0 else (2, 1):
            rows.append(
                {"pair": pair + 1, "work": times, **_worked(meters, load, device, plan, times)}
            )
    meters.close()
    pairs = [
        tuple(
            analysis.Work(row["joules"], row["open J"])
            for row in sorted(rows, key=lambda row: row["work"])
            if row["pair"] == pair + 1
        )
        for pair in range(plan.pairs)
    ]
    return Outcome(rows, analysis.doubled_verdict(pairs))


def _worked(meters: Meters, load: Load, device: str, plan: Plan, times: int) -> dict[str, float]:
    done = []
    domain, _ = meters.window(device, lambda: done.append(load.work(plan.work_s, times)))
    window = domain.window
    lead_s = done[0].begin_s - window.start_monotonic_ns / 1e9
    trail_s = window.end_monotonic_ns / 1e9 - done[0].end_s
    mean_w = domain.joules / window.duration_s
    edges_j = (domain.uncertainty.edge_j or 0.0) + (domain.uncertainty.sampling_j or 0.0)
    return {
        "joules": domain.joules,
        "duration s": window.duration_s,
        "open J": edges_j + mean_w * (max(lead_s, 0.0) + max(trail_s, 0.0)),
    }


def foreign(load: Load, device: str, plan: Plan) -> Outcome:
    """A process that is not ours joins in the middle of a window."""
    meters = Meters()
    rows: Rows = []
    rows.append(_suspects(meters, device, plan.foreign_s / 3, "alone"))
    with load.joined(plan.foreign_s) as at:
        rows.append(_suspects(meters, at, plan.foreign_s, "joined"))
    meters.close()
    alone, joined = rows
    told = joined["told apart"]
    verdict = analysis.foreign_verdict(alone["codes"].split(), joined["codes"].split(), told=told)
    return Outcome(rows, verdict)


def _suspects(meters: Meters, device: str, seconds: float, name: str) -> dict[str, Any]:
    _, meter = meters.window(device, lambda: time.sleep(seconds))
    conditions = meter.reading.conditions
    return {
        "window": name,
        "codes": " ".join(sorted({str(reason.code) for reason in meter.reasons})),
        "processes": ", ".join(str(pid) for c in conditions for pid in c.processes or ()) or "none",
        "told apart": any(c.foreign_processes is not None for c in conditions),
    }


class NothingToMeasureError(Exception):
    """This GPU lacks what the experiment is about."""
