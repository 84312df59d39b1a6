"""Codes about how a GPU fared during the window."""

from __future__ import annotations

from llenergymeasure.domain.reason_texts.record import Frequency, ReasonText
from llenergymeasure.domain.validity import ReasonCode

_ONLY_NVML = "The energy backend `nvml` alone looks at this; with others it is not known."

CONDITIONS = {
    ReasonCode.THROTTLED: ReasonText(
        title="the GPU slowed itself down",
        meaning="The driver named heat (thermal slowdown) or the hardware (HW slowdown, HW power "
        f"brake) as a reason for lower clocks during the window. {_ONLY_NVML}",
        harm="The same work took longer, at another power: the joules belong to a GPU that is "
        "hot or short of supply power, and are not what the model needs.",
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
        f"could be. {_ONLY_NVML}",
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
        meaning=f"The enforced power limit was not the same throughout the window. {_ONLY_NVML}",
        harm="The window holds two different GPUs, in effect: its joules are those of neither.",
        remedy=("Find out who changes it (an administrator, a power manager), and measure again.",),
        raised_by=("nvml",),
        frequency=Frequency.RARE,
        where="clusters with power management",
    ),
    ReasonCode.CLOCKS_CHANGED: ReasonText(
        title="the clock limits changed within the window",
        meaning="The clocks that the GPU was set to were not the same throughout the window: "
        "application clocks, or the max customer boost clock. Locked clocks (`nvidia-smi -lgc`) "
        f"cannot be read. {_ONLY_NVML}",
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
        f"from somebody else's. {_ONLY_NVML}",
        harm="Its joules are in the number, and it slowed the run down. A GPU's counter cannot "
        "tell whose work it was.",
        remedy=(
            "The `detail` of the code names it; `energy.conditions` in the result has all process "
            "ids.",
            "Measure on a GPU of your own.",
        ),
        raised_by=("nvml",),
        frequency=Frequency.SOMETIMES,
        where="shared servers, notebooks that still hold a GPU",
    ),
    ReasonCode.PROCESSES_UNKNOWN: ReasonText(
        title="it is not known who else used the GPU",
        meaning="The processes on the GPU cannot be listed, or their process ids differ from "
        "those that this process sees, as in a container without the host's process ids. "
        f"{_ONLY_NVML}",
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
