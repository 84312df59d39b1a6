"""Codes about how a GPU fared during the window."""

from __future__ import annotations

from llenergymeasure.domain.reason_texts.record import Frequency, ReasonText
from llenergymeasure.domain.validity import ReasonCode

CONDITIONS = {
    ReasonCode.THROTTLED: ReasonText(
        title="the GPU slowed itself down",
        meaning="The driver named heat, or a brake by hardware, as a reason for lower clocks "
        "during the window.",
        harm="The same work took longer, at another power: the joules belong to a hot or a badly "
        "fed GPU, not to the model.",
        remedy=(
            "See `energy.conditions` in the result: temperature, clocks, share of the time.",
            "Improve cooling, or leave pauses between runs; then measure again.",
        ),
        raised_by=("nvml",),
        frequency=Frequency.SOMETIMES,
        where="dense servers, workstations, summer",
    ),
    ReasonCode.POWER_CAPPED: ReasonText(
        title="the GPU ran at its power limit",
        meaning="Power was at the limit for part of the window, so clocks were lower than they "
        "could be.",
        harm="Nothing is wrong: that is what a limit is for. But time and joules depend on it. "
        "Compare only with runs under the same limit, which is in the result.",
        remedy=(
            "Nothing, if this is the limit that you want to measure (`nvidia-smi -q -d POWER`).",
        ),
        raised_by=("nvml",),
        frequency=Frequency.COMMON,
        where="large batches on any GPU, laptops",
    ),
    ReasonCode.POWER_LIMIT_CHANGED: ReasonText(
        title="the power limit changed within the window",
        meaning="The enforced power limit was not the same at the window's end as at its start.",
        harm="The window holds two different GPUs, in effect: its joules are those of neither.",
        remedy=("Find out who changes it (an administrator, a power manager), and measure again.",),
        raised_by=("nvml",),
        frequency=Frequency.RARE,
        where="clusters with power management",
    ),
    ReasonCode.CLOCKS_CHANGED: ReasonText(
        title="the clock limits changed within the window",
        meaning="The clocks that the GPU was set to were not the same throughout the window: "
        "application clocks, or the highest boost clock. Locked clocks (`nvidia-smi -lgc`) cannot "
        "be read.",
        harm="Joules for the same work depend on the clock: the window mixes two settings.",
        remedy=("Set the clocks before the run and leave them; measure again.",),
        raised_by=("nvml",),
        frequency=Frequency.RARE,
        where="shared machines, tuning scripts that run meanwhile",
    ),
    ReasonCode.FOREIGN_PROCESS: ReasonText(
        title="another process used the GPU",
        meaning="A process that does not belong to the run computed on the GPU during the window. "
        "Everything that the run starts belongs to it, even after its parent has ended. A process "
        "that a daemon starts for the run (`docker run`, an MPS server) cannot be distinguished "
        "from somebody else's.",
        harm="Its joules are in the number, and it slowed the run down. A GPU's counter cannot "
        "tell whose work it was.",
        remedy=(
            "The detail names it; `energy.conditions` in the result has all process ids.",
            "Measure on a GPU of your own.",
        ),
        raised_by=("nvml",),
        frequency=Frequency.SOMETIMES,
        where="shared servers, notebooks that still hold a GPU",
    ),
    ReasonCode.PROCESSES_UNKNOWN: ReasonText(
        title="it is not known who else used the GPU",
        meaning="The processes on the GPU cannot be listed, or their process ids differ from "
        "those that this process sees, as in a container without the host's process ids.",
        harm="Somebody else may have computed on the GPU during the window, and the joules would "
        "be theirs too.",
        remedy=(
            "Make sure that nobody else uses the GPU.",
            "Or give the container the host's process ids (`docker run --pid=host`).",
        ),
        raised_by=("nvml",),
        frequency=Frequency.COMMON,
        where="containers",
    ),
}
