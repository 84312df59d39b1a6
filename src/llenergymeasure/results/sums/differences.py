"""What was another one in another cycle: parts of that kind do not add up.

A resume may happen on another host, with another GPU in the slot, or with another energy source.
Each cycle is true by itself; a sum or a mean over them is of nothing that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from llenergymeasure.domain.experiment import RawProcessResult
from llenergymeasure.domain.validity import Reason, ReasonCode

_ByCycle = Mapping[int, Sequence[RawProcessResult]]

# Without a total: where software differs, the joules are still of one machine by one sensor.
VOIDING = frozenset(
    {ReasonCode.ENERGY_SOURCES_DIFFER, ReasonCode.DEVICES_DIFFER, ReasonCode.HOSTS_DIFFER}
)


def find_differences(by_cycle: _ByCycle) -> list[Reason]:
    """What the results of one experiment were not alike in, a reason each code."""
    found = {
        ReasonCode.ENERGY_SOURCES_DIFFER: [*_find_replayed(by_cycle), *_find_sources(by_cycle)],
        ReasonCode.DEVICES_DIFFER: _compare_cycles(by_cycle, "GPUs", _gpus),
        ReasonCode.HOSTS_DIFFER: [
            *_find_hosts(by_cycle),
            *_compare_cycles(by_cycle, "processor", lambda raw: raw.environment.cpu_model),
        ],
        ReasonCode.SOFTWARE_DIFFERS: _find_software(by_cycle),
    }
    return [
        Reason(code=code, detail="; ".join(dict.fromkeys(details)))
        for code, details in found.items()
        if details
    ]


def _find_replayed(by_cycle: _ByCycle) -> Iterator[str]:
    read = [raw for group in by_cycle.values() for raw in group if _has_number(raw)]
    if len({raw.energy.replayed for raw in read}) > 1:
        cycles = sorted({raw.cycle for raw in read if raw.energy.replayed})
        yield f"replayed in cycle {', '.join(map(str, cycles))} and measured elsewhere"


def _find_sources(by_cycle: _ByCycle) -> Iterator[str]:
    yield from _compare_cycles(by_cycle, "energy source", _source)
    versions: dict[str, dict[str, None]] = {}
    for group in by_cycle.values():
        for raw in group:
            if _has_number(raw):
                of_backend = versions.setdefault(raw.energy.backend, {})
                of_backend[raw.energy.version or "of an unknown version"] = None
    for backend, found in versions.items():
        if len(found) > 1:
            yield f"{backend}: {' and '.join(found)}"
    sources: dict[tuple[int, str, str], dict[str, None]] = {}
    for raw in (raw for group in by_cycle.values() for raw in group):
        for domain in raw.energy.domains:
            if domain.joules is not None:
                key = (raw.process_index, domain.scope.value, domain.name)
                sources.setdefault(key, {})[domain.source or "an unnamed source"] = None
    for (_, _, name), by in sources.items():
        if len(by) > 1:
            yield f"{name}: read by {' and '.join(by)}"


def _find_hosts(by_cycle: _ByCycle) -> Iterator[str]:
    """A boot has a new id, a container may have a new name: both new is another host."""
    seen: dict[int, RawProcessResult] = {}
    for raw in (raw for group in by_cycle.values() for raw in group):
        first = seen.setdefault(raw.process_index, raw).environment
        here = raw.environment
        same_boot = first.boot_id is not None and first.boot_id == here.boot_id
        if not same_boot and first.hostname != here.hostname:
            yield (
                f"host {first.hostname} in cycle {seen[raw.process_index].cycle}, "
                f"{here.hostname} in cycle {raw.cycle}"
            )


def _find_software(by_cycle: _ByCycle) -> list[str]:
    versions: dict[str, dict[str, None]] = {}
    for raw in (raw for group in by_cycle.values() for raw in group):
        here = raw.environment
        told = {"lem": here.lem_version, "Python": here.python_version, **here.packages}
        for name, version in told.items():
            versions.setdefault(name, {})[version] = None
    return [f"{name} {' and '.join(found)}" for name, found in versions.items() if len(found) > 1]


def _compare_cycles(
    by_cycle: _ByCycle, what: str, of: Callable[[RawProcessResult], str | None]
) -> list[str]:
    """How a process differed between cycles; None is not known and differs from nothing."""
    details: list[str] = []
    seen: dict[int, tuple[int, str]] = {}
    for raw in (raw for group in by_cycle.values() for raw in group):
        value = of(raw)
        if value is None:
            continue
        cycle, first = seen.setdefault(raw.process_index, (raw.cycle, value))
        if value != first:
            details.append(f"{what} {first} in cycle {cycle}, {value} in cycle {raw.cycle}")
    return details


def _has_number(raw: RawProcessResult) -> bool:
    return any(domain.joules is not None for domain in raw.energy.domains)


def _source(raw: RawProcessResult) -> str | None:
    return raw.energy.backend if _has_number(raw) else None


def _gpus(raw: RawProcessResult) -> str | None:
    """The devices that were read, or those of the host where the source tells no ids.

    A device that is gone is not another one: its cycle has no total already.
    """
    ids = sorted({d.device_id for d in raw.energy.domains if d.device_id and d.joules is not None})
    lost = any(d.joules is None and d.expected for d in raw.energy.domains)
    names = {gpu.uuid: gpu.name for gpu in raw.environment.gpu_details if gpu.uuid}
    if ids and not lost:
        return ", ".join(f"{names[i]} ({i})" if names.get(i) else i for i in ids)
    return None if ids or not raw.environment.gpus else ", ".join(raw.environment.gpus)
