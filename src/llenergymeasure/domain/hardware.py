"""What a machine's processors are and how they are set. None where a fact could not be had."""

from __future__ import annotations

from pydantic import Field

from llenergymeasure.domain.base import Count, NonNegative, Record


class CpuDetails(Record):
    """The CPUs of a machine, together.

    Attributes:
        sockets: Packages.
        physical_cores: Of all packages; each may run several threads.
        smt: Whether cores run more than one thread now.
        governors: How the kernel chooses frequencies; several names if cores differ.
        turbo: Whether frequencies above the nominal one are allowed.
        min_mhz, max_mhz: Of the hardware, over all cores.
        virtual: Whether this is a virtual machine, whose frequencies and counters are its host's.
    """

    sockets: Count | None = None
    physical_cores: Count | None = None
    smt: bool | None = None
    governors: tuple[str, ...] = ()
    turbo: bool | None = None
    min_mhz: NonNegative | None = None
    max_mhz: NonNegative | None = None
    numa_nodes: Count | None = None
    virtual: bool | None = None


class MigInstance(Record):
    """One slice of a GPU.

    Attributes:
        profile: Such as ``1g.10gb``.
    """

    uuid: str | None = None
    profile: str | None = None
    memory_bytes: Count | None = None


class GpuDetails(Record):
    """One GPU and its settings.

    Attributes:
        index: Place in the order of the PCI bus.
        name: As the driver calls it; None for one that does not answer.
        uuid: Of the whole GPU.
        pci_bus_id: ``domain:bus:device.function``.
        compute_capability: Such as ``9.0``.
        counts_energy: It has an energy counter that can be read.
        power_limit_w: Enforced now; default, lowest and highest that can be set follow.
        persistence_mode: Whether the driver keeps the GPU ready while nobody uses it.
        ecc: Whether its memory is checked.
        sm_clock_max_mhz, memory_clock_max_mhz: Of the hardware.
        sm_clock_set_mhz, memory_clock_set_mhz: What applications are set to.
        mig_capable, mig_enabled, mig_instances: Its division into slices.
        pcie_generation, pcie_width: Of the link now; it may rest while idle.
        numa_node: Of the host's memory that is nearest.
        nvlinks: Links that are up; None if none are built in.
        peers: How it reaches each other GPU, by ``gpu:N``: ``nvlink``, ``nvswitch``, or where
            their PCI paths meet, from ``same board`` to ``system``.
    """

    index: Count
    name: str | None = None
    uuid: str | None = None
    pci_bus_id: str | None = None
    memory_bytes: Count | None = None
    compute_capability: str | None = None
    counts_energy: bool = False
    power_limit_w: NonNegative | None = None
    power_limit_default_w: NonNegative | None = None
    power_limit_min_w: NonNegative | None = None
    power_limit_max_w: NonNegative | None = None
    persistence_mode: bool | None = None
    ecc: bool | None = None
    sm_clock_max_mhz: Count | None = None
    memory_clock_max_mhz: Count | None = None
    sm_clock_set_mhz: Count | None = None
    memory_clock_set_mhz: Count | None = None
    mig_capable: bool | None = None
    mig_enabled: bool | None = None
    mig_instances: tuple[MigInstance, ...] = ()
    pcie_generation: Count | None = None
    pcie_generation_max: Count | None = None
    pcie_width: Count | None = None
    pcie_width_max: Count | None = None
    numa_node: Count | None = None
    nvlinks: Count | None = None
    peers: dict[str, str] = Field(default_factory=dict)


class GpuInventory(Record):
    """All NVIDIA GPUs of a machine.

    Attributes:
        driver: Version of the driver.
        cuda: Newest CUDA version that the driver supports, such as ``13.0``.
        problem: Why nothing is known of GPUs that may be there.
    """

    driver: str | None = None
    cuda: str | None = None
    gpus: tuple[GpuDetails, ...] = ()
    problem: str | None = None
