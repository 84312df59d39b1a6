"""Codes about where joules come from: estimates, totals, baselines, CPU counters."""

from __future__ import annotations

from llenergymeasure.domain.reason_texts.record import RUN, TOTAL, Frequency, ReasonText
from llenergymeasure.domain.validity import ReasonCode

ENERGY = {
    ReasonCode.ESTIMATE_ONLY: ReasonText(
        title="no sensor was read; the joules are estimates",
        meaning="No energy counter and no power sensor could be read. All joules come from a "
        "model: the CPU time of the measured processes times the usual power of a core, and a "
        "constant for each GiB of memory. GPUs are not estimated.",
        harm="Such models err by up to 40 %, and by about the same factor in every run on one "
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
        title="a domain that should have a number has none",
        meaning="A device that belongs to the measurement gave no valid number, so there is no "
        "total. The domain's own `reason` and its other codes say why.",
        harm="A total without one of its GPUs would look like a saving. So `total_j` and every "
        "`j_per_*` are null; `partial_j` holds what could be summed.",
        remedy=(
            "Look up the code beside this one: it names the fault.",
            "Measure again once it is mended. To leave a domain out on purpose, name the devices "
            "or sources to measure in the config.",
        ),
        raised_by=(TOTAL,),
        frequency=Frequency.SOMETIMES,
        where="together with a code that names the cause",
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
        meaning="The measured window is under 10 s with a counter, or under 1 s with an estimate.",
        harm="A source is updated every 20 to 100 ms, CPU models once a second. What lies between "
        "the window's ends and the nearest updates weighs more in a short window. Caches, clocks "
        "and temperature are still settling.",
        remedy=(
            "Measure longer: more prompts (`num_prompts`), longer outputs (`max_output_tokens`); "
            "with `lem measure`, more work.",
            "Look at the interval (`uncertainty_j`): its edge part is what a short window costs.",
        ),
        raised_by=(RUN, TOTAL),
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
            "See the detail: the device must be readable, and idle, before the run.",
            "Nothing, if the total is all you need. `baseline.required: true` makes it an error "
            "instead.",
        ),
        raised_by=(RUN,),
        frequency=Frequency.SOMETIMES,
        where="devices that other people use, sources that fail before the window",
    ),
    ReasonCode.BASELINE_UNSTEADY: ReasonText(
        title="idle power was not steady",
        meaning="Power varied by more than 10 % while the device should have been idle, or another "
        "process was busy, or the run drew less than the idle power would have.",
        harm="The total is not touched. An idle power that varies by 10 W changes `marginal_j` "
        "by 600 J a minute. Where the run drew less than idle power would have, by more than the "
        "interval, `marginal_j` is null.",
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
        "a saving. With `energy.backend: auto` an estimate takes its place; the domain then says "
        "so in `instead_of`, and it stays out of the measured total.",
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
        harm="CPU and memory are not in the measured total. With `energy.backend: auto` an "
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
            "Free a core for the reading thread; see whether the machine was suspended.",
            "With `codecarbon`, measure shorter windows, or use `rapl`, which reads during the "
            "window.",
        ),
        raised_by=("rapl", "codecarbon"),
        frequency=Frequency.RARE,
        where="machines that were suspended; long windows with CodeCarbon's own RAPL",
    ),
}
