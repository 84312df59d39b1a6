"""The GPUs of this machine as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.text.console import console
from llenergymeasure.cli.display.text.json_output import write_json
from llenergymeasure.cli.display.text.notices import say
from llenergymeasure.cli.display.text.numbers import MISSING, gibibytes, milliseconds, seconds
from llenergymeasure.cli.display.text.tables import KEPT, Column, print_table

if TYPE_CHECKING:
    from llenergymeasure.orchestration.machine.gpus import GpuReport, MeasurableGpu

_COLUMNS = (
    Column("gpu", keep=KEPT),
    Column("name", keep=KEPT),
    Column("memory", numeric=True, keep=2),
    Column("energy by", keep=8),
    Column("updated every", numeric=True, keep=6),
    Column("shortest window", numeric=True, keep=7),
    Column("power limit", numeric=True, keep=5),
    Column("MIG", keep=4),
    Column("processes", numeric=True, keep=3),
    Column("CUDA sees it", keep=1),
)


def show_gpus(report: GpuReport, options: GlobalOptions) -> None:
    """A line a GPU, then what else there is to say of each."""
    if options.json:
        write_json(report)
        return
    if not report.gpus:
        why = report.problem or "no driver, no device, or no permission"
        say(f"no NVIDIA GPU was found here ({why})", options)
        return
    print_table(console(), _COLUMNS, [_row(gpu) for gpu in report.gpus])
    if not options.quiet:
        for note in _notes(report):
            say(note, options)


def _row(gpu: MeasurableGpu) -> Sequence[str]:
    details, found = gpu.details, gpu.resolution
    return [
        str(details.index),
        details.name or (MISSING if _how(gpu) != MISSING else "does not answer"),
        gibibytes(details.memory_bytes),
        _how(gpu),
        MISSING if found.update_ms is None else milliseconds(found.update_ms),
        seconds(found.shortest_window_s),
        _limit(gpu),
        _mig(gpu),
        _processes(gpu),
        {True: "yes", False: "no", None: MISSING}[gpu.visible],
    ]


def _processes(gpu: MeasurableGpu) -> str:
    listed = gpu.conditions.processes if gpu.conditions is not None else None
    return MISSING if listed is None else str(len(listed))


def _how(gpu: MeasurableGpu) -> str:
    if gpu.energy is None or gpu.energy.method is None:
        return MISSING
    return {"counter": "energy counter", "integrated": "power"}.get(
        gpu.energy.method, gpu.energy.method
    )


def _limit(gpu: MeasurableGpu) -> str:
    enforced, default = gpu.details.power_limit_w, gpu.details.power_limit_default_w
    if enforced is None:
        return MISSING
    return f"{enforced:.0f} W" if default in (None, enforced) else f"{enforced:.0f}/{default:.0f} W"


def _mig(gpu: MeasurableGpu) -> str:
    details = gpu.details
    if not details.mig_capable:
        return MISSING
    if not details.mig_enabled:
        return "off"
    return ", ".join(one.profile or "slice" for one in details.mig_instances) or "on, no slice"


def _notes(report: GpuReport) -> Iterator[str]:
    yield f"driver {report.driver or 'unknown'}, CUDA up to {report.cuda or 'unknown'}"
    if report.problem:
        yield f"not measured: {report.problem}"
    for gpu in report.gpus:
        yield from _notes_on(gpu)
    if any(gpu.resolution.shortest_window_s is not None for gpu in report.gpus):
        yield (
            "shortest window: from this length on, the start and the end of a run cost at most "
            "1 % of its energy, if all of its power begins and ends there"
        )


def _notes_on(gpu: MeasurableGpu) -> Iterator[str]:
    name, energy = f"gpu:{gpu.details.index}", gpu.energy
    if gpu.details.uuid is None and (energy is None or energy.joules is None):
        yield f"{name} does not answer: see the driver's log (dmesg)"
    if energy is None:
        return
    if energy.joules is None:
        yield f"{name} has no number: {energy.reason or 'no reason given'}"
    else:
        yield from (finding.detail for finding in energy.findings)
