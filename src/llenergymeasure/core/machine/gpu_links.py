"""How GPUs are connected: NVLink, and where their paths through PCI meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llenergymeasure.core.machine.nvml_facts import NvmlSession

# The binding's own limit is the newest hardware's; a driver refuses what its GPU does not have.
_MOST_LINKS = 36

# Of the binding's levels, in words, nearest first.
_MEETING = {
    "NVML_TOPOLOGY_INTERNAL": "same board",
    "NVML_TOPOLOGY_SINGLE": "pcie switch",
    "NVML_TOPOLOGY_MULTIPLE": "pcie switches",
    "NVML_TOPOLOGY_HOSTBRIDGE": "host bridge",
    "NVML_TOPOLOGY_NODE": "numa node",
    "NVML_TOPOLOGY_SYSTEM": "system",
}


def nvlinks(session: NvmlSession, handle: Any) -> int | None:
    """How many links of a GPU are up; None if it has none, or does not tell."""
    states = list(_states(session, handle))
    return sum(states) if states else None


def peers(session: NvmlSession, handles: Sequence[Any], index: int) -> dict[str, str]:
    """How GPU ``index`` reaches each other one, by its name ``gpu:N``; unknown is left out."""
    others = [i for i, other in enumerate(handles) if i != index and other is not None]
    if not others:
        return {}
    reached = set(_remotes(session, handles[index]))
    found = {}
    for other in others:
        if "nvswitch" in reached:
            word: str | None = "nvswitch"
        elif session.pci_bus_id("nvmlDeviceGetPciInfo", handles[other]) in reached:
            word = "nvlink"
        else:
            word = _meeting(session, handles[index], handles[other])
        if word is not None:
            found[f"gpu:{other}"] = word
    return found


def _remotes(session: NvmlSession, handle: Any) -> Iterator[str]:
    """What lies at the other end of each link that is up: a PCI bus id, or ``nvswitch``."""
    switch = session.constant("NVML_NVLINK_DEVICE_TYPE_SWITCH")
    for link, up in enumerate(_states(session, handle)):
        if not up:
            continue
        if session.ask("nvmlDeviceGetNvLinkRemoteDeviceType", handle, link) == switch:
            yield "nvswitch"
            # All links of such a GPU lead to switches.
            return
        remote = session.pci_bus_id("nvmlDeviceGetNvLinkRemotePciInfo", handle, link)
        if remote is not None:
            yield remote


def _states(session: NvmlSession, handle: Any) -> Iterator[int]:
    """Whether each link is up, up to the first that the GPU does not have."""
    for link in range(_MOST_LINKS):
        state = session.ask("nvmlDeviceGetNvLinkState", handle, link)
        if state is None:
            return
        yield state


def _meeting(session: NvmlSession, one: Any, other: Any) -> str | None:
    level = session.ask("nvmlDeviceGetTopologyCommonAncestor", one, other)
    words = {session.constant(name): word for name, word in _MEETING.items()}
    return None if level is None else words.get(level)
