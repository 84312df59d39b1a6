"""Which process: a PID alone is reused, a PID with its start time is not."""

from __future__ import annotations

import os
import socket

import psutil
from pydantic import BaseModel, ConfigDict

# Start times come from the kernel's clock ticks; two reads of one process agree to a tick.
_SAME_START_S = 1.0


class ProcessIdentity(BaseModel):
    """One process on one host.

    Attributes:
        pid: Its number.
        start_time_s: When it began, in s since the epoch as psutil tells it.
        hostname: Where it runs; only there can be said whether it is alive.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    start_time_s: float
    hostname: str

    def alive(self) -> bool | None:
        """Whether it still runs; None if it runs on another host."""
        if self.hostname != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.start_time_s) <= _SAME_START_S
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def current_identity() -> ProcessIdentity:
    """This process."""
    identity = identity_of(os.getpid())
    assert identity is not None
    return identity


def identity_of(pid: int) -> ProcessIdentity | None:
    """The process that has ``pid`` now; None if there is none."""
    try:
        start = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None
    return ProcessIdentity(pid=pid, start_time_s=start, hostname=socket.gethostname())
