"""The two stored results: what one process saw in one cycle, and the whole experiment."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import AwareDatetime, Field, model_validator

from llenergymeasure.constants import RESULT_SCHEMA_VERSION
from llenergymeasure.domain.base import Celsius, Count, NonNegative, Ordinal, Record
from llenergymeasure.domain.baseline import DomainBaseline
from llenergymeasure.domain.brief import Brief, tell_joules
from llenergymeasure.domain.energy import EnergyReading, MeasurementWindow
from llenergymeasure.domain.environment import EnvironmentMetadata, MachineLoad
from llenergymeasure.domain.metrics import (
    ComputeMetrics,
    EnergyMetrics,
    InferenceMetrics,
    LatencyMetrics,
)
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.domain.statistics import CycleStats
from llenergymeasure.domain.validity import Reason, Validity

# A duration is stored as a decimal number of seconds, its ends as nanoseconds.
_SAME_DURATION_S = 1e-6


class ExperimentStatus(StrEnum):
    """Where an experiment stands."""

    INITIALISED = "initialised"
    RUNNING = "running"
    COMPLETED = "completed"
    AGGREGATED = "aggregated"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class BackendInfo(Record):
    """The engine that answered, by its registered name."""

    name: str
    version: str | None = None


class LeftOutFiles(Record):
    """Files in a dataset's folder whose rows are not among the prompts, for one reason.

    Attributes:
        reason: ``no table``, ``hidden``, ``empty``, ``of the split test``, ``of no split``, ...
        count: How many.
        files: The first five, relative to the folder.
    """

    reason: str
    count: Count
    files: tuple[str, ...] = ()


class PromptsInfo(Record):
    """Which prompts were measured.

    Attributes:
        source: ``builtin:<name>``, ``huggingface:<id>``, ``synthetic``, or a resolved path.
        count: Prompts used in one cycle.
        sha256: Of a prompt file's bytes (``sha256sum FILE`` gives the same); None for datasets and
            synthetic prompts.
        used_sha256: Of the prompts used, in order (UTF-8, each followed by a NUL byte). A chat is
            the JSON of its ``[role, content]`` pairs, a synthetic prompt that of its
            ``[input_tokens, output_tokens, text]``.
        available: Prompts in the source; rows of the split in a dataset.
        column: Column, where the source has columns.
        revision: Commit of a hub dataset.
        subset: Subset of a dataset, where one was asked for.
        split: Split of a dataset.
        skipped: Rows that were passed over since they hold no prompt.
        dropped: The same by cause: ``null``, ``blank``, ``chat without a question``; lines of a
            text file that are ``blank`` are counted here too.
        unused: Rows that were not looked at, since num_prompts or sample_size had been reached.
        files_read: Files that the rows come from; None where they come from no file.
        files_left_out: Files beside them in a dataset's folder, by reason.
    """

    source: str
    count: Count
    sha256: str | None = None
    used_sha256: str
    available: Count
    column: str | None = None
    revision: str | None = None
    subset: str | None = None
    split: str | None = None
    skipped: Count = 0
    dropped: dict[str, Count] = Field(default_factory=dict)
    unused: Count = 0
    files_read: Count | None = None
    files_left_out: tuple[LeftOutFiles, ...] = ()


class WarmupMode(StrEnum):
    """How a warm-up ended; ``capped`` is without having converged, or at a moving temperature."""

    OFF = "off"
    FIXED = "fixed"
    CONVERGED = "converged"
    CAPPED = "capped"


class WarmupInfo(Record):
    """What ran before the window.

    Attributes:
        prompts: Requests that were answered, or failed.
        duration_s: In all.
        latencies_ms: One entry a request that was answered, where their number was fixed.
        mode: How it ended; None in results of older versions.
        iterations: Batches.
        iteration_times_ms: Of the last 1,000 iterations at most.
        final_cv: Standard deviation / mean of the last iteration times (the config's
            ``window_size``); None where convergence was not looked for or times are too few.
        target_cv: What it had to be below.
        converged: Whether it was.
        temperatures_start_c, temperatures_end_c: Degrees Celsius by domain, where a sensor is.
        temperature_steady: Whether they stood still at the end; None without a sensor, or where
            the warm-up was too short to tell.
    """

    prompts: Count
    duration_s: NonNegative
    latencies_ms: tuple[NonNegative, ...] = ()
    mode: WarmupMode | None = None
    iterations: Count | None = None
    iteration_times_ms: tuple[NonNegative, ...] = ()
    final_cv: NonNegative | None = None
    target_cv: NonNegative | None = None
    converged: bool | None = None
    temperatures_start_c: dict[str, Celsius] = Field(default_factory=dict)
    temperatures_end_c: dict[str, Celsius] = Field(default_factory=dict)
    temperature_steady: bool | None = None


class RawProcessResult(Brief, Record):
    """One process, one cycle: counts, the energy reading, and the circumstances.

    ``config_hash`` is that of the resolved config; None in results of older versions.
    Per-request records lie beside it as Parquet (``requests_file``), and what the energy source
    sampled, if it did (``timeseries_file``).
    """

    schema_version: Ordinal = RESULT_SCHEMA_VERSION
    experiment_id: str
    config_name: str
    config_hash: str | None = None
    cycle: Ordinal
    process_index: Count
    process_count: Ordinal
    created_at: AwareDatetime
    window: MeasurementWindow
    inference: InferenceMetrics
    latency: LatencyMetrics
    energy: EnergyReading
    compute: ComputeMetrics
    model: ModelInfo
    backend: BackendInfo
    prompts: PromptsInfo
    baseline: tuple[DomainBaseline, ...] = ()
    warmup: WarmupInfo
    environment: EnvironmentMetadata
    load: MachineLoad
    reasons: tuple[Reason, ...] = ()
    requests_file: str | None = None
    timeseries_file: str | None = None

    @model_validator(mode="after")
    def _check_process(self) -> Self:
        if self.process_index >= self.process_count:
            raise ValueError(
                f"process_index {self.process_index} is not below process_count "
                f"({self.process_count})"
            )
        return self

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        window = self.window
        apart_s = (window.end_monotonic_ns - window.start_monotonic_ns) / 1e9 - window.duration_s
        if abs(apart_s) > _SAME_DURATION_S:
            raise ValueError(
                f"window.duration_s is {window.duration_s:g} s, its start and end lie "
                f"{window.duration_s + apart_s:g} s apart"
            )
        return self

    def _brief(self) -> dict[str, str]:
        domains = {d.name: d.tell(replayed=self.energy.replayed) for d in self.energy.domains}
        return {
            "experiment": f"{self.experiment_id} ({self.config_name})",
            "cycle": f"{self.cycle}, process {self.process_index} of {self.process_count}",
            "output": f"{self.inference.output_tokens:,} tokens in {self.window.duration_s:.3g} s",
            **domains,
        }


class CycleValues(Record):
    """What one cycle gave, summed over its processes; ``uncertainty_j`` is the sensor's."""

    cycle: Ordinal
    duration_s: NonNegative
    input_tokens: Count
    output_tokens: Count
    output_tokens_per_s: NonNegative | None
    total_j: NonNegative | None
    partial_j: NonNegative | None
    uncertainty_j: NonNegative | None = None
    marginal_j: float | None = None
    j_per_output_token: NonNegative | None
    e2e_ms_mean: NonNegative | None
    validity: Validity


class EnergyPerCycle(Record):
    """The mean energy of a cycle, and what is open about it, each for itself.

    Attributes:
        mean_j: total_j / n; None without a total.
        meter_uncertainty_j: Half-width of the 95 % interval that the sensor (or the model of an
            estimate) allows. Cycles share it, so it does not shrink with their number.
        spread_uncertainty_j: Half-width of the mean's 95 % interval over the cycles (Student's
            t): what the runs differed by. None for one cycle.
        std_j: Sample standard deviation over the cycles; None for one cycle.
        n: Cycles.
    """

    mean_j: NonNegative | None
    meter_uncertainty_j: NonNegative | None
    spread_uncertainty_j: NonNegative | None
    std_j: NonNegative | None
    n: Ordinal


class SpreadOverCycles(Record):
    """Mean and spread over the cycles of each quantity; None where no cycle has a value."""

    duration_s: CycleStats | None = None
    output_tokens_per_s: CycleStats | None = None
    total_j: CycleStats | None = None
    marginal_j: CycleStats | None = None
    j_per_output_token: CycleStats | None = None
    e2e_ms_mean: CycleStats | None = None


class Cycles(Record):
    """All cycles: n, each one's values, and the spread of the main quantities over them.

    The intervals in ``stats`` are of the spread alone. ``energy`` sets it beside what the sensor
    allows; None in results of older versions.
    """

    n: Ordinal
    values: tuple[CycleValues, ...]
    stats: SpreadOverCycles
    energy: EnergyPerCycle | None = None


class ProcessSummary(Record):
    """One process in one cycle, as far as the aggregate keeps it."""

    process_index: Count
    cycle: Ordinal
    hostname: str
    window: MeasurementWindow
    input_tokens: Count
    output_tokens: Count
    threads: Count | None
    load: MachineLoad
    raw_file: str


class Metrics(Record):
    """All metrics of an experiment."""

    inference: InferenceMetrics
    latency: LatencyMetrics
    energy: EnergyMetrics
    compute: ComputeMetrics


class AggregatedResult(Brief, Record):
    """A whole experiment: sums over processes and cycles, ratios of sums, and the verdict."""

    schema_version: Ordinal = RESULT_SCHEMA_VERSION
    experiment_id: str
    config_name: str
    status: ExperimentStatus
    created_at: AwareDatetime
    aggregated_at: AwareDatetime
    model: ModelInfo
    backend: BackendInfo
    environment: EnvironmentMetadata
    config: dict[str, Any]
    provenance: dict[str, Any] = Field(default_factory=dict)
    prompts: PromptsInfo
    warmup: WarmupInfo
    metrics: Metrics
    validity: Validity
    cycles: Cycles
    processes: tuple[ProcessSummary, ...]

    def _brief(self) -> dict[str, str]:
        energy, inference = self.metrics.energy, self.metrics.inference
        cycles = f"{self.cycles.n} cycle{'' if self.cycles.n == 1 else 's'}"
        of = f", sum of {cycles}" if self.cycles.n > 1 else ""
        return {
            "experiment": f"{self.experiment_id} ({self.config_name}, {cycles})",
            "model": self.model.name,
            "verdict": self.validity.status.value,
            "energy": tell_joules(energy.total_j, energy.uncertainty_j, energy.origin) + of,
            "output": f"{inference.output_tokens:,} tokens{of}",
        }
