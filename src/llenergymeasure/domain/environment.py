"""Where a result was made, and how busy that place was."""

from __future__ import annotations

from pydantic import Field

from llenergymeasure.domain.base import Count, NonNegative, Record
from llenergymeasure.domain.hardware import CpuDetails, GpuDetails


class EnvironmentMetadata(Record):
    """The machine and the software. None where a fact could not be had.

    Attributes:
        boot_id: The kernel's own name for the time since this machine started: the same in all of
            its containers, another on each machine.
        kernel: Release of the operating system's kernel.
        container: Kind of container; None outside of one, as far as one can tell.
        gpus: Names of the NVIDIA GPUs; ``gpu_details`` holds them in full.
        gpu_reason: Why nothing is known of GPUs that may be there.
        gpu_driver: Version of NVIDIA's driver.
        cuda_driver: Newest CUDA version that this driver supports.
        thread_settings: The thread-count variables that were set (OMP_NUM_THREADS, ...).
    """

    hostname: str
    os: str
    python_version: str
    lem_version: str
    boot_id: str | None = None
    kernel: str | None = None
    cpu_model: str | None = None
    cpu: CpuDetails | None = None
    logical_cpus: Count | None = None
    affinity: tuple[Count, ...] | None = None
    memory_bytes: Count | None = None
    container: str | None = None
    gpus: tuple[str, ...] = ()
    gpu_details: tuple[GpuDetails, ...] = ()
    gpu_reason: str | None = None
    gpu_driver: str | None = None
    cuda_driver: str | None = None
    thread_settings: dict[str, str] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)

    @property
    def machine(self) -> str:
        """What tells machines apart: containers of one may have several host names."""
        return self.boot_id or self.hostname


class LoadSample(Record):
    """CPU use over one interval, in cores (1.0 = one core busy all the time).

    Attributes:
        interval_s: Length of the interval.
        own_cores: By the measured process, its children and the command that watches it.
        other_cores: By everything else on the machine. None where it could not be read.
        load_average_1m: The kernel's 1-minute load average at the end of the interval.
    """

    interval_s: NonNegative
    own_cores: NonNegative | None
    other_cores: NonNegative | None
    load_average_1m: NonNegative | None = None


class MachineLoad(Record):
    """Load before the window (while preparing) and during it."""

    before: LoadSample | None = None
    during: LoadSample | None = None
    threads: Count | None = None
    affinity: tuple[Count, ...] | None = None
