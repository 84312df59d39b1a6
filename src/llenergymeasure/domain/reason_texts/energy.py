"""Codes about where joules come from: estimates, totals, baselines, CPU counters."""

from __future__ import annotations

from llenergymeasure.domain.reason_texts.record import PROGRAM, RUN, TOTAL, Frequency, ReasonText
from llenergymeasure.domain.validity import ReasonCode

ENERGY = {
    ReasonCode.ESTIMATE_ONLY: ReasonText(
        title="no sensor was read; the joules are estimates",
        meaning="No energy counter and no power sensor could be read. All joules come from a "
        "model: the CPU time of the measured processes times the power of a core (TDP divided by "
        "cores; 5 W where the TDP is not known), and a constant for each GiB of memory. GPUs are "
        "not estimated.",
        harm="Such models err by up to 40 % (arXiv 2509.22092), and by about the same factor in "
        "every run on one "
        "machine. They show that a change is large. They do not show a change of a few percent, "
        "and they cannot be compared with measured joules.",
        remedy=(
            "Run `lem doctor`: it says which counters this machine has and why lem cannot read "
            "them.",
            "On a server with an Intel or AMD CPU, make the RAPL counters readable (`lem explain "
            "rapl_unreadable`).",
            "Otherwise use a machine with a counter: bare metal or a GPU, not a shared virtual "
            "machine.",
        ),
        raised_by=(TOTAL,),
        frequency=Frequency.COMMON,
        where="laptops, virtual machines, containers and CI without access to counters",
    ),
    ReasonCode.ENERGY_OFF: ReasonText(
        title="energy measurement is off",
        meaning="`energy.backend` is `none`.",
        harm="Nothing is wrong: joules are null, everything else is measured.",
        remedy=("Nothing, if that is what you want. Otherwise set `energy.backend: auto`.",),
        raised_by=(TOTAL,),
        frequency=Frequency.SOMETIMES,
        where="runs for throughput or latency alone",
    ),
    ReasonCode.ENERGY_UNAVAILABLE: ReasonText(
        title="there is no total",
        meaning="A device that should be measured has no valid number, or no energy source found "
        "anything to read, or a domain was measured in one part of the run and estimated in "
        "another. `metrics.energy.reason` says which.",
        harm="A total without one of its GPUs would look like a saving. So `total_j` and every "
        "`j_per_*` are null; `partial_j` holds what could be summed.",
        remedy=(
            "Read the `detail` of the code; where a device is at fault, the code beside this one "
            "names "
            "the fault.",
            "Measure again once it is mended. To leave a domain out on purpose, name the devices "
            "or sources to measure in the config.",
        ),
        raised_by=(TOTAL,),
        frequency=Frequency.SOMETIMES,
        where="usually beside a code that names the cause",
    ),
    ReasonCode.ENERGY_REPLAYED: ReasonText(
        title="the joules come from a recording or a formula",
        meaning="`energy.backend: replay` played a recorded or closed-form power curve.",
        harm="The joules say nothing about this machine or this model.",
        remedy=("For trying things out only. To measure, set `energy.backend: auto`.",),
        raised_by=("replay",),
        frequency=Frequency.SOMETIMES,
        where="demos and tests",
    ),
    ReasonCode.WINDOW_TOO_SHORT: ReasonText(
        title="the window is too short for the sensor",
        meaning="The measured window is under 10 s with a counter or a power sensor, or under 1 s "
        "with estimates alone.",
        harm="Sensors of GPUs are updated every 20 to 100 ms, counters of CPUs every 1 ms, the "
        "estimate once a second. What lies between the window's ends and the nearest updates "
        "weighs more in a short window. Caches, clocks "
        "and temperature are still settling.",
        remedy=(
            "Measure longer: more prompts (`num_prompts`), longer outputs (`max_output_tokens`); "
            "with `lem measure`, more work.",
            "Look at the interval (`uncertainty_j`): its edge part is what a short window costs.",
        ),
        raised_by=(RUN, PROGRAM),
        frequency=Frequency.COMMON,
        where="first tries with few prompts",
    ),
    ReasonCode.BASELINE_UNAVAILABLE: ReasonText(
        title="no idle power is known",
        meaning="The idle power of a measured device could not be taken, at the level that was "
        "asked for or at all.",
        harm="The total is not touched. `marginal_j`, which is the total above idle, is null: "
        "without an idle power it would be a guess.",
        remedy=(
            "Read the `detail` of the code: the device must be readable before the window. An "
            "engine "
            "that cannot prepare `baseline.level: context` can do `bare` or `loaded`.",
            "Nothing, if the total is all you need. `baseline.required: true` makes it an error "
            "instead.",
        ),
        raised_by=(RUN,),
        frequency=Frequency.SOMETIMES,
        where="devices that other people use, sources that fail before the window",
    ),
    ReasonCode.BASELINE_UNSTEADY: ReasonText(
        title="idle power was not steady",
        meaning="While the device should have been idle, the standard deviation of its power was "
        "more than 10 % of the mean, or another process was busy. Or the run drew less than the "
        "idle power would have.",
        harm="The total is not touched. `marginal_j`, which is the total above idle, changes by "
        "600 J a minute for 10 W of idle power. Where the run drew less than idle power would "
        "have, by more than the error of both, `marginal_j` is null.",
        remedy=(
            "Let the device come to rest first: it may have been cooling down or finishing work.",
            "Take a longer baseline (`baseline.duration_s`).",
            "Look for other programs on the device (`nvidia-smi`).",
        ),
        raised_by=(RUN,),
        frequency=Frequency.SOMETIMES,
        where="runs right after one another, shared devices",
    ),
    ReasonCode.RAPL_UNREADABLE: ReasonText(
        title="the CPU's energy counters exist but may not be read",
        meaning="The kernel shows RAPL counters under `/sys/class/powercap`, but this user may not "
        "read all of them.",
        harm="CPU energy has no number: with one of two sockets missing, the rest would look like "
        "a saving. With `energy.backend: auto`, or with `estimate` in the list, an estimate takes "
        "its place: the result is then not invalid, the domain has this code in `instead_of`, and "
        "it stays out of the measured total.",
        remedy=(
            "Since CVE-2020-8694 only root may read them. An administrator can open them until the "
            "next boot:\n"
            "sudo chmod o+r /sys/class/powercap/*/energy_uj",
            "To open them permanently, write this line to /etc/udev/rules.d/70-rapl.rules:\n"
            'SUBSYSTEM=="powercap", ACTION=="add", RUN+="/bin/chmod o+r /sys%p/energy_uj"',
            "In a container, mount `/sys/class/powercap` and what it links to, read-only.",
            "Readable counters let other users watch what the CPU does: leave them closed "
            "on machines with users that you do not trust.",
        ),
        raised_by=("rapl", "codecarbon"),
        frequency=Frequency.COMMON,
        where="Linux servers and desktops for every user but root",
    ),
    ReasonCode.NO_RAPL: ReasonText(
        title="this machine has no CPU energy counters",
        meaning="There is no RAPL counter under `/sys/class/powercap`: an Arm CPU, a virtual "
        "machine, or a container that hides it.",
        harm="By itself this leaves the result valid. CPU and memory are not in the measured "
        "total. With `energy.backend: auto` an "
        "estimate stands beside it. Compare only with results of the same boundary.",
        remedy=(
            "In a virtual machine nothing can be done: only its host can read the counters.",
            "On bare metal, load the driver: `sudo modprobe intel_rapl_msr` (it serves AMD too).",
        ),
        raised_by=("rapl",),
        frequency=Frequency.COMMON,
        where="cloud machines, Arm, containers",
    ),
    ReasonCode.COUNTER_WRAP_RISK: ReasonText(
        title="a counter may have wrapped unseen",
        meaning="A CPU counter wraps (starts again from 0) at 65 to 262 kJ, and the time between "
        "two readings was "
        "long enough for that to happen unseen.",
        harm="Each wrap that is overlooked loses a whole range: up to 262 kJ, more than the run "
        "itself may have used.",
        remedy=(
            "With `codecarbon` name `rapl` instead, which reads during the window; or keep windows "
            "below 65 s (the least that one socket takes to wrap; half of it with two).",
            "With `rapl`, leave a core to the reading thread (`taskset`, `OMP_NUM_THREADS`), and "
            "see whether the machine was suspended.",
        ),
        raised_by=("rapl", "codecarbon"),
        frequency=Frequency.SOMETIMES,
        where="windows of minutes with `codecarbon`; machines that were suspended",
    ),
}
