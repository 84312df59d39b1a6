"""Which process: a PID alone is reused, a PID with its start time is not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil

from llenergymeasure.domain.base import Record

# Start times come from the kernel's clock ticks; two reads of one process agree to a tick.
_SAME_START_S = 1.0


class ProcessIdentity(Record):
    """One process on one host.

    Attributes:
        pid: Its number.
        start_time_s: When it began, in s: since boot where ``boot_id`` is known, which setting
            the clock does not change, else since the epoch.
        hostname: Where it runs; only there can be said whether it is alive.
        boot_id: Which boot of that host; None where the system does not tell.
        pid_namespace: In which its number counts: containers have their own.
    """

    pid: int
    start_time_s: float
    hostname: str
    boot_id: str | None = None
    pid_namespace: str | None = None

    def alive(self) -> bool | None:
        """Whether it still runs; None where that cannot be seen from here (another host)."""
        if self.hostname != socket.gethostname():
            return None
        boot_id = _boot_id()
        if boot_id != self.boot_id:
            # Nothing outlives a boot. If only one of the two is known, nothing can be said.
            return False if boot_id and self.boot_id else None
        if _pid_namespace() != self.pid_namespace:
            return None
        return _alive(self.pid, self.start_time_s)


def current_identity() -> ProcessIdentity:
    """This process."""
    identity = identity_of(os.getpid())
    assert identity is not None, "a process can see itself"
    return identity


def identity_of(pid: int) -> ProcessIdentity | None:
    """The process that has ``pid`` now; None if there is none."""
    try:
        start = _start_time_s(pid)
    except (psutil.Error, OSError):
        return None
    return ProcessIdentity(
        pid=pid,
        start_time_s=start,
        hostname=socket.gethostname(),
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
    )


def _alive(pid: int, start_time_s: float) -> bool | None:
    try:
        if abs(_start_time_s(pid) - start_time_s) > _SAME_START_S:
            return False
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, OSError):
        # Gone, or hidden from this user (/proc with hidepid): then nobody can tell whose it is.
        return None if psutil.pid_exists(pid) else False


def _start_time_s(pid: int) -> float:
    """When a process began (see ``ProcessIdentity.start_time_s``)."""
    if _boot_id() is None:
        return float(psutil.Process(pid).create_time())
    # psutil adds the boot time, which moves whenever the clock is set.
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The name in parentheses may hold blanks and parentheses; start time is field 22.
    ticks = int(stat.rpartition(")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK")


def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def _pid_namespace() -> str | None:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None
