"""Which energy readings of an experiment count: each domain once a cycle, none left out unseen.

Device scope is summed, each device once. Machine scope counts once a host, however many processes
read that host. Process scope is summed: each reading is of other processes. A reading that was
there in one cycle and is not in another becomes a missing one: losing a sensor must not make a run
look better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llenergymeasure.domain.energy import DomainReading, EnergyScope, domain_kind
from llenergymeasure.domain.experiment import RawProcessResult

Place = tuple[str, ...]
_Key = tuple[int, EnergyScope, str]


def kind(domain: DomainReading) -> str:
    """What a domain is of (see ``domain_kind``)."""
    return domain_kind(domain.name)


def pick_counted(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
) -> dict[int, list[DomainReading]]:
    """The readings of each cycle that count, each once; missing ones are there without a number.

    Of several processes that read the same domain, the lowest index with a number counts.
    """
    return {cycle: list(places.values()) for cycle, places in pick_counted_places(by_cycle).items()}


def pick_counted_places(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
) -> dict[int, dict[Place, DomainReading]]:
    """As ``pick_counted``, each with where it was taken."""
    completed = _with_what_was_lost(by_cycle)
    unread = _unread_hosts(by_cycle, completed)
    return {
        cycle: _pick_once(raws, completed) | _of_unread_hosts(raws, unread)
        for cycle, raws in by_cycle.items()
    }


def place(domain: DomainReading, raw: RawProcessResult) -> Place:
    """Where a reading was taken: two readings of one place in one cycle are the same joules."""
    host = raw.environment.machine
    if domain.scope is EnergyScope.MACHINE:
        return ("machine", host, domain.name)
    if domain.device_id is not None:
        return ("device", domain.device_id, kind(domain))
    if domain.scope is EnergyScope.PROCESS:
        return ("tree", host, str(raw.process_index), domain.name)
    # Without an id two processes' devices cannot be told to be one, so each counts.
    return ("process", host, str(raw.process_index), domain.name)


def _pick_once(
    raws: Sequence[RawProcessResult], completed: Mapping[tuple[int, int], list[DomainReading]]
) -> dict[Place, DomainReading]:
    chosen: dict[Place, DomainReading] = {}
    for raw in sorted(raws, key=lambda raw: raw.process_index):
        for domain in completed[raw.cycle, raw.process_index]:
            where = place(domain, raw)
            if where not in chosen or _rank(domain) > _rank(chosen[where]):
                chosen[where] = domain
    return chosen


def _rank(domain: DomainReading) -> int:
    """A number tells more than its absence, and an absence that hurts more than one that not."""
    return 2 if domain.joules is not None else int(domain.expected)


def _with_what_was_lost(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
) -> dict[tuple[int, int], list[DomainReading]]:
    """The readings of each cycle and process, with those that it had in another cycle only."""
    raws = [raw for group in by_cycle.values() for raw in group]
    most: dict[_Key, list[DomainReading]] = {}
    for raw in raws:
        for key, read in _by_key(raw, [d for d in raw.energy.domains if d.joules is not None]):
            if len(read) > len(most.get(key, [])):
                most[key] = read
    return {(raw.cycle, raw.process_index): _complete(raw, most) for raw in raws}


def _complete(
    raw: RawProcessResult, most: Mapping[_Key, list[DomainReading]]
) -> list[DomainReading]:
    listed = dict(_by_key(raw, raw.energy.domains))
    domains = []
    for key, here in listed.items():
        # What gave a number in another cycle is expected in this one.
        domains += [
            d.model_copy(update={"expected": True}) if key in most and d.joules is None else d
            for d in here
        ]
    for key, elsewhere in most.items():
        here = listed.get(key, [])
        lost = len(elsewhere) - len(here)
        if key[0] == raw.process_index and lost > 0:
            seen = {(d.device_id, d.name) for d in here}
            absent = [d for d in elsewhere if (d.device_id, d.name) not in seen]
            domains += [_missing(d, "there was no reading") for d in absent[:lost]]
    return domains


def _by_key(
    raw: RawProcessResult, domains: Sequence[DomainReading]
) -> list[tuple[_Key, list[DomainReading]]]:
    """Readings of one process by what they are of; devices may change their number."""
    groups: dict[_Key, list[DomainReading]] = {}
    for domain in domains:
        name = kind(domain) if domain.scope is EnergyScope.DEVICE else domain.name
        groups.setdefault((raw.process_index, domain.scope, name), []).append(domain)
    return list(groups.items())


def _unread_hosts(
    by_cycle: Mapping[int, Sequence[RawProcessResult]],
    completed: Mapping[tuple[int, int], list[DomainReading]],
) -> dict[str, list[DomainReading]]:
    """Hosts of which nobody read the machine or the processes, with what others read of theirs.

    One process of each host reads it; where LOCAL_RANK does not tell hosts apart, that of one only.
    """
    read: dict[str, dict[str, DomainReading]] = {}
    for raw in (raw for group in by_cycle.values() for raw in group):
        of_host = read.setdefault(raw.environment.machine, {})
        for domain in completed[raw.cycle, raw.process_index]:
            if domain.scope is not EnergyScope.DEVICE and domain.counted:
                of_host.setdefault(domain.name, domain)
    names = {name: domain for of_host in read.values() for name, domain in of_host.items()}
    return {host: list(names.values()) for host, of_host in read.items() if not of_host}


def _of_unread_hosts(
    raws: Sequence[RawProcessResult], unread: Mapping[str, Sequence[DomainReading]]
) -> dict[Place, DomainReading]:
    hosts = {raw.environment.machine: raw.environment.hostname for raw in raws}
    return {
        ("machine", host, domain.name): _missing(domain, f"host {name} was not read")
        for host, name in sorted(hosts.items())
        for domain in unread.get(host, ())
        if domain.expected
    }


def _missing(domain: DomainReading, reason: str) -> DomainReading:
    return DomainReading(
        name=domain.name,
        scope=domain.scope,
        method=None,
        joules=None,
        device_id=domain.device_id,
        reason=reason,
        source=domain.source,
        # One that holds others is shown beside the total, and its loss takes nothing from it.
        counted=domain.counted,
    )
