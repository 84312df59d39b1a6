"""Codes about the workload and the machine around it."""

from __future__ import annotations

from llenergymeasure.domain.reason_texts.record import PROGRAM, TOTAL, Frequency, ReasonText
from llenergymeasure.domain.reason_texts.record import RUN as EXPERIMENT
from llenergymeasure.domain.validity import ReasonCode

RUN = {
    ReasonCode.CPU_CONTENTION: ReasonText(
        title="other processes used the CPU",
        meaning="Processes that are not part of the run kept more than a quarter of a core busy, "
        "on average over the window.",
        harm="They slow the run down, so that it idles longer on the GPU's account, and their work "
        "is in the CPU's joules. Machine-wide counters cannot tell whose work it was.",
        remedy=(
            "Stop them (`top` shows which), or measure when the machine is idle.",
            "On a cluster, ask for the whole node.",
        ),
        raised_by=(EXPERIMENT, PROGRAM),
        frequency=Frequency.COMMON,
        where="desktops, shared servers, CI",
    ),
    ReasonCode.LOAD_UNKNOWN: ReasonText(
        title="the machine's load could not be read",
        meaning="How much CPU other processes used during the window is not known.",
        harm="Contention cannot be ruled out: the numbers may hold other people's work.",
        remedy=(
            "If the window was very short, measure longer.",
            "Run where `/proc/stat` and `/proc/PID` are readable.",
        ),
        raised_by=(EXPERIMENT, PROGRAM),
        frequency=Frequency.RARE,
        where="sandboxes with frozen counters, windows below 20 ms",
    ),
    ReasonCode.FAILED_REQUESTS: ReasonText(
        title="some requests have no answer",
        meaning="The engine failed on some of the requests.",
        harm="Their energy and the tokens they generated are counted; latency leaves them out. "
        "Joules per request are over the answered requests, so they are higher.",
        remedy=(
            "Read `error` in the requests' Parquet file, beside the raw result.",
            "Long prompts and memory are the usual causes: lower `max_input_tokens` or the batch.",
        ),
        raised_by=(TOTAL,),
        frequency=Frequency.SOMETIMES,
        where="runs close to the memory's limit",
    ),
    ReasonCode.ALL_REQUESTS_FAILED: ReasonText(
        title="no request was answered",
        meaning="The engine failed on every request.",
        harm="There are joules, and no answer to divide them by: every `j_per_*` is null.",
        remedy=(
            "The `detail` of the code names the most frequent error; `metrics.inference.errors` "
            "has them all.",
            "Read the run's log, in `logs/` beside the raw result.",
        ),
        raised_by=(TOTAL,),
        frequency=Frequency.RARE,
        where="models or options that the engine cannot serve",
    ),
    ReasonCode.PROMPTS_TRUNCATED: ReasonText(
        title="prompts were cut",
        meaning="Some prompts were longer than `max_input_tokens` and lost the tokens beyond it.",
        harm="Nothing is wrong with the joules: they are those of the shorter prompts. The answers "
        "belong to shortened prompts.",
        remedy=(
            "Raise `max_input_tokens` if you did not want this, or set it to `null` for no limit.",
            "`lem experiment CONFIG --dry-run` counts such prompts and names the longest.",
        ),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.COMMON,
        where="datasets with long texts",
    ),
    ReasonCode.BELOW_MIN_DURATION: ReasonText(
        title="the window is shorter than the config demands",
        meaning="The measured window took less than `min_duration_s`.",
        harm="The author of the config asked for a longer window. The numbers are there, but "
        "those of a shorter window are less certain.",
        remedy=(
            "Measure longer: more prompts, longer outputs.",
            "Or lower `min_duration_s`, if it was meant for a slower device.",
        ),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.SOMETIMES,
        where="the preset `benchmark` on a fast device",
    ),
    ReasonCode.WARMUP_OFF: ReasonText(
        title="there was no warm-up",
        meaning="No warm-up request was answered before the window, since the config asks for "
        "none.",
        harm="The first batch pays for lazy initialisation, compilation and cold caches, within "
        "the measured window. That may be what you want; do not compare it with warm runs.",
        remedy=("Leave `warmup` at its defaults, unless the cold start is what you measure.",),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.SOMETIMES,
        where="configs that turn it off",
    ),
    ReasonCode.WARMUP_NOT_CONVERGED: ReasonText(
        title="warm-up ended before times were steady",
        meaning="Warm-up repeats one batch, of the longest prompts. The times of its last "
        "repetitions still varied more than `warmup.cv_threshold` when a cap was reached.",
        harm="The window begins while the engine still settles: compilation, clocks, caches. Its "
        "first requests cost more time and energy than later ones.",
        remedy=(
            "Allow more warm-up (`warmup.max_prompts`, `warmup.max_duration_s`), and see in "
            "`warmup.iteration_times_ms` of the result whether the times fall.",
            "Times that never settle have a cause: contention, a shared GPU, throttling, batches "
            "of a millisecond.",
            "Only then raise the threshold.",
        ),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.COMMON,
        where="shared machines, very small models",
    ),
    ReasonCode.TEMPERATURE_UNSTEADY: ReasonText(
        title="the GPU's temperature was still changing",
        meaning="A GPU's temperature moved by more than 1 °C over the end of the warm-up (its last "
        "`warmup.window_size` batches, and 10 s at least), or warm-up was too short to tell. A "
        "fixed number of prompts (`warmup.prompts`) is not looked at.",
        harm="A warmer chip has more leakage current and lower clocks: the same work costs some "
        "percent "
        "more joules later than at first, and the order of runs decides who looks better.",
        remedy=(
            "Warm up longer (`warmup.max_duration_s`), and leave the same pause between runs.",
            "Compare interleaved cycles, not one run after the other.",
        ),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.SOMETIMES,
        where="the first run on a cold GPU",
    ),
    ReasonCode.DUMMY_WEIGHTS: ReasonText(
        title="the weights are random",
        meaning="`load_format: dummy`: the model's architecture with random weights.",
        harm="The arithmetic and its cost are those of the model. The answers mean nothing, and "
        "their length is random.",
        remedy=(
            "Fix the lengths: set `min_output_tokens` to the value of `max_output_tokens`, or use "
            "synthetic prompts with `prompts.output_len`.",
        ),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.SOMETIMES,
        where="tests of an architecture without its checkpoint",
    ),
    ReasonCode.WEIGHTS_UNUSED: ReasonText(
        title="weights of the checkpoint were left out",
        meaning="The checkpoint holds weights that have no place in the model which its "
        "`config.json` describes, such as layers beyond `num_hidden_layers`. transformers leaves "
        "them out. `unused_weights` in the details of the model counts and names them.",
        harm="The joules are those of the model as it was loaded, which may be smaller than the "
        "one that the checkpoint was made for.",
        remedy=(
            "See whether `config.json` names the right architecture and number of layers.",
            "If the weights are of a part that no text needs (a vision tower, a multi-token "
            "prediction head), nothing is wrong.",
        ),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.RARE,
        where="edited configs; checkpoints with parts for other tasks",
    ),
    ReasonCode.BATCH_CHANGES_ANSWERS: ReasonText(
        title="a batch changes the answers",
        meaning="At load the model gave other answers to short prompts in a batch than to each "
        "alone, beyond rounding. Some models treat padding tokens as part of the prompt "
        "(`batch_effect: padding` in the details of the model); others mix up the sequences of a "
        "batch (`any_batch`).",
        harm="The work was done and the joules are its own. But the answers are not those that "
        "the model gives, and they may end elsewhere, so that output tokens and joules per token "
        "are not the model's.",
        remedy=(
            "Set `pytorch.batch_size: 1`, which is the default.",
            "If it is the padding: give prompts of one length, as `type: synthetic` makes them.",
        ),
        raised_by=(EXPERIMENT,),
        frequency=Frequency.RARE,
        where="RWKV; decoders of translation models; XLNet",
    ),
    ReasonCode.INCOMPLETE: ReasonText(
        title="a part of the run is missing",
        meaning="Not all planned cycles were measured, or a process left no result. Or, where "
        "several "
        "processes share a machine or a GPU and one reads its sensors for all, that one began "
        "later or ended earlier than another.",
        harm="Without a cycle, sums are over the cycles that are there. Without a process, or "
        "where a domain was not read for all of the work, there is no total: `total_j` and every "
        "`j_per_*` are null, `energy_unavailable` makes the result invalid, and `partial_j` holds "
        "what was read.",
        remedy=(
            "Measure the rest: `lem experiment --resume ID`.",
            "Let processes that share a machine begin and end their windows together.",
        ),
        raised_by=(TOTAL,),
        frequency=Frequency.SOMETIMES,
        where="interrupted runs",
    ),
    ReasonCode.ENERGY_SOURCES_DIFFER: ReasonText(
        title="parts of the run were read by different energy sources",
        meaning="One cycle or process was read by another energy backend, another version of it, "
        "or replayed where others were measured.",
        harm="Sources err differently, and replayed joules are nobody's. `total_j`, `partial_j` "
        "and "
        "every `j_per_*` are null; each cycle has its own.",
        remedy=(
            "Measure the experiment again, all cycles with one source.",
            "Name the source in `energy.backend` instead of `auto`, so that a resume uses the "
            "same one.",
        ),
        raised_by=(TOTAL,),
        frequency=Frequency.RARE,
        where="a resume after an update, or after counters became readable",
    ),
    ReasonCode.DEVICES_DIFFER: ReasonText(
        title="cycles ran on different GPUs",
        meaning="A process had another GPU (another UUID, or another model) in a later cycle.",
        harm="Two GPUs of one model differ by several percent, two models by far more. A sum or a "
        "mean over them belongs to neither, so `total_j` and every `j_per_*` are null.",
        remedy=("Measure again, all cycles on the same GPUs: name them in the config.",),
        raised_by=(TOTAL,),
        frequency=Frequency.RARE,
        where="a resume on another node, a scheduler that hands out other GPUs",
    ),
    ReasonCode.HOSTS_DIFFER: ReasonText(
        title="cycles ran on different machines",
        meaning="A process ran on another host, or another processor, in a later cycle.",
        harm="What one machine draws tells nothing of another, so there is no sum and no mean: "
        "`total_j` and every `j_per_*` are null.",
        remedy=("Measure again, all cycles on one machine.",),
        raised_by=(TOTAL,),
        frequency=Frequency.RARE,
        where="a resume on another node of a cluster",
    ),
    ReasonCode.SOFTWARE_DIFFERS: ReasonText(
        title="cycles ran with different versions",
        meaning="A library, Python or lem had another version in a later cycle.",
        harm="A new version can be faster or slower, and the spread over cycles shows it as noise.",
        remedy=("Measure again in one environment, if the versions matter.",),
        raised_by=(TOTAL,),
        frequency=Frequency.RARE,
        where="a resume after an update",
    ),
}
