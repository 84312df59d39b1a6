"""Codes about the sensors of devices: absent, lost, lying, or not read."""

from __future__ import annotations

from llenergymeasure.domain.reason_texts.record import PROGRAM, RUN, Frequency, ReasonText
from llenergymeasure.domain.validity import ReasonCode

_ALONE = "By itself this leaves the result valid."
_EXPECTED = (
    "the GPU is expected (its driver is there but broken, or the config names it), or no other "
    "source gives joules, `energy_unavailable` makes the result invalid."
)
_FREE_A_CORE = "Leave a CPU core to the reading thread (`taskset`, `OMP_NUM_THREADS`)"

SENSORS = {
    ReasonCode.CPU_TIME_LOST: ReasonText(
        title="part of the CPU time of ended processes is not known",
        meaning="Processes ended and no measured process got their CPU time. The kernel passes it "
        "on to a parent that waits for its child; a parent that ignores SIGCHLD gets nothing, and "
        "neither does one that ended before its child.",
        harm="What they used until the last look is counted. What they used afterwards is missing, "
        "and bounded in the interval by their number of threads. Processes that came and went "
        "between two looks under such a parent are not seen at all.",
        remedy=(
            "Let the parent wait for its children, and not ignore SIGCHLD.",
            "Look more often: lower `energy.estimate.interval_ms` (default 1000).",
            "Around code of your own, measure with `lem measure`: orphans come back to it.",
        ),
        raised_by=("estimate",),
        frequency=Frequency.RARE,
        where="daemons, supervisors that ignore SIGCHLD",
    ),
    ReasonCode.NO_GPU: ReasonText(
        title="no GPU that this process may use",
        meaning="The driver answers, and shows no GPU to this process.",
        harm=f"{_ALONE} GPU energy is not in the total, which is right if the run used no GPU. "
        "Where "
        "no other source gives joules, `energy_unavailable` makes the result invalid.",
        remedy=(
            "Check `CUDA_VISIBLE_DEVICES` (AMD: `HIP_VISIBLE_DEVICES`, `ROCR_VISIBLE_DEVICES`), "
            "and "
            "what devices the container was given (`--gpus`; AMD: `--device`).",
        ),
        raised_by=("nvml", "zeus", "amdsmi"),
        frequency=Frequency.SOMETIMES,
        where="containers without a GPU, an empty CUDA_VISIBLE_DEVICES",
    ),
    ReasonCode.NVML_UNAVAILABLE: ReasonText(
        title="there is no NVIDIA driver, or it does not answer",
        meaning="NVIDIA's management library could not be loaded or initialised.",
        harm=f"{_ALONE} GPU energy is not in the total. Where {_EXPECTED}",
        remedy=(
            "Nothing, on a machine without an NVIDIA GPU.",
            "Otherwise run `nvidia-smi`, which shows the same error. A version mismatch after an "
            "update needs a "
            "reboot or a reload of the driver.",
        ),
        raised_by=("nvml", "zeus"),
        frequency=Frequency.COMMON,
        where="machines without an NVIDIA GPU",
    ),
    ReasonCode.AMDSMI_UNAVAILABLE: ReasonText(
        title="there is no AMD driver or ROCm library, or it does not answer",
        meaning="AMD's management library could not be loaded or initialised.",
        harm=f"{_ALONE} GPU energy is not in the total. Where {_EXPECTED}",
        remedy=(
            "Nothing, on a machine without an AMD GPU: name another energy backend.",
            "Otherwise run `amd-smi list`, which shows the same error. The Python package must "
            "have "
            "the same version as ROCm:\npip install /opt/rocm/share/amd_smi",
        ),
        raised_by=("amdsmi",),
        frequency=Frequency.RARE,
        where="configs that name the backend amdsmi on a machine without ROCm",
    ),
    ReasonCode.DEVICE_LOST: ReasonText(
        title="the GPU stopped answering",
        meaning="The driver says that the GPU has fallen off the bus or needs a reset.",
        harm="What it drew until then and afterwards is not known. The domain has no number, so "
        "there is no total: losing a GPU must not look like a saving.",
        remedy=(
            "See the driver's log: `sudo dmesg | grep -i xid` (AMD: `grep -i amdgpu`).",
            "Reset the GPU or reboot. If it comes back, look at power supply, riser and cooling.",
        ),
        raised_by=("nvml", "amdsmi"),
        frequency=Frequency.RARE,
        where="failing hardware, resets by somebody else",
    ),
    ReasonCode.SENSOR_UNSUPPORTED: ReasonText(
        title="the GPU has no sensor that can be read",
        meaning="The GPU answers, but offers no sensor to this process.",
        harm="The GPU's energy has no number.",
        remedy=(
            "Use another source for it, or leave the GPU out (`energy.nvml.devices`, "
            "`energy.amdsmi.devices`).",
            "A virtual GPU offers no sensor: measure on its host. Jetson boards are not supported.",
        ),
        raised_by=("nvml", "codecarbon", "amdsmi"),
        frequency=Frequency.RARE,
        where="virtual GPUs, Jetson, some laptops",
    ),
    ReasonCode.COUNTER_RESET: ReasonText(
        title="the energy counter was reset",
        meaning="The counter fell to near zero (a GPU's below 5 kJ) within the window: the driver "
        "was loaded again or "
        "the GPU was reset.",
        harm="The difference between its two ends is wrong by any amount, and usually negative. "
        "Tools that do not check this report joules below zero.",
        remedy=(
            "Make sure that nobody resets the GPU or reloads the driver during a run.",
            "NVIDIA: turn persistence mode on (`sudo nvidia-smi -pm 1`); without it the driver "
            "unloads when the last program ends.",
        ),
        raised_by=("nvml", "rapl", "codecarbon", "zeus", "amdsmi"),
        frequency=Frequency.RARE,
        where="machines without persistence mode, shared administration",
    ),
    ReasonCode.IMPOSSIBLE_VALUE: ReasonText(
        title="the energy source gave a value that cannot be",
        meaning="Joules, watts or a time were negative, infinite or no number, or a window ended "
        "before it started.",
        harm="Such a number would be summed like any other. The domain has no number instead, so "
        "there is no total.",
        remedy=(
            "The `detail` of the code names the field and the value: report it to the authors of "
            "the "
            "package that `lem backends` names for this energy backend.",
            "Name another source in `energy.backend` meanwhile.",
        ),
        raised_by=(RUN, PROGRAM),
        frequency=Frequency.RARE,
        where="faulty drivers, energy backends that are being written",
    ),
    ReasonCode.COUNTER_BACKWARDS: ReasonText(
        title="the energy counter fell, but not to zero",
        meaning="The counter showed less than before.",
        harm="Energy cannot decrease: no difference of this counter can be trusted.",
        remedy=("Do not trust this counter. Update the driver, and report it to the maker.",),
        raised_by=("nvml", "rapl", "amdsmi"),
        frequency=Frequency.RARE,
        where="faulty firmware or drivers",
    ),
    ReasonCode.COUNTER_FROZEN: ReasonText(
        title="the energy counter stood still",
        meaning="The counter did not move for half a second or more, which is many of its periods; "
        "a CPU's that moved before or after may stand for 2 s.",
        harm="What was drawn meanwhile is missing.",
        remedy=(
            "See whether it moves now: `lem measure --backend nvml -- sleep 5`, or with `rapl` or "
            "`amdsmi`. If it does, measure again.",
            "A counter that never moves (AMD MI100) cannot be used.",
        ),
        raised_by=("nvml", "rapl", "amdsmi"),
        frequency=Frequency.RARE,
        where="some AMD GPUs, faulty drivers, a machine that was suspended",
    ),
    ReasonCode.WITNESS_DISAGREES: ReasonText(
        title="the energy counter and power disagree",
        meaning="The energy counter and the integral of power over the same window differ by more "
        "than 10 %, the errors of sampling and of the window's ends apart. The integral is the "
        "witness: a second measurement of the same joules.",
        harm="One of the two is wrong, and nothing says which. A counter that sees only part of "
        "the time does this, and so does a power reading that hangs.",
        remedy=(
            "See `evidence` in the result: `witness_j`, `disagreement`, `samples`, `missed`.",
            "NVIDIA: run `python benchmarks/gpu_truth.py` in a clone of the repository (up to 15 "
            "minutes): it shows whether the counter sees everything.",
        ),
        raised_by=("nvml", "amdsmi"),
        frequency=Frequency.RARE,
        where="faulty sensors",
    ),
    ReasonCode.SAMPLES_MISSING: ReasonText(
        title="too few readings to know the energy",
        meaning="A counter could not be read at an end of the window; or power, where there is no "
        "counter, was not read for over 1 s; or a source failed to read during the window.",
        harm="What happened meanwhile is not known.",
        remedy=(f"{_FREE_A_CORE}; measure again.",),
        raised_by=("nvml", "rapl", "estimate", "codecarbon", "zeus", "amdsmi"),
        frequency=Frequency.RARE,
        where="machines that are out of CPU or memory",
    ),
    ReasonCode.SAMPLE_GAP: ReasonText(
        title="nothing was read for over 1 s, but for the counter's ends",
        meaning="The energy counter was read at both ends of the window, but in between nothing "
        "was read for over a second.",
        harm="The counter kept counting. But a reset or a fault in the gap would not have been "
        "seen.",
        remedy=(f"{_FREE_A_CORE}.",),
        raised_by=("nvml", "amdsmi"),
        frequency=Frequency.SOMETIMES,
        where="machines whose cores are all busy",
    ),
    ReasonCode.MIG_SHARED: ReasonText(
        title="the GPU is divided; the joules are those of all parts",
        meaning="The GPU is in MIG mode: power and energy exist for the whole GPU only, and every "
        "MIG instance repeats them. Or it is one die (GCD) of an AMD MI250 card, whose only "
        "sensor is for both.",
        harm="Work on the other instances is in the number. Adding up instances multiplies it.",
        remedy=(
            "Measure while the other instances, or the other die, are idle.",
            "Or measure on a GPU without MIG.",
        ),
        raised_by=("nvml", "amdsmi"),
        frequency=Frequency.SOMETIMES,
        where="clusters that divide A100, H100 and newer",
    ),
    ReasonCode.MODULE_COUNTER: ReasonText(
        title="the counter covers the whole module, not the GPU alone",
        meaning="The GPU is one part of a superchip (GH200, GB200, GB300), whose counter "
        "covers the CPU and the memory of the module too.",
        harm="The joules hold more than the GPU's. Beside those of a plain GPU they look too high.",
        remedy=(
            "Compare with runs on the same kind of module only.",
            "Do not add CPU readings of the same module to them.",
        ),
        raised_by=("nvml",),
        frequency=Frequency.SOMETIMES,
        where="NVIDIA superchips",
    ),
}
