"""Running any command and measuring exactly its lifetime.

The command keeps its stdin, stdout and stderr, and its signals. On a terminal it shares our
process group, so the terminal itself signals it and lets it read; elsewhere it leads a group of its
own, so that a signal to us reaches all that it started. A daemon that it starts becomes our child
(see ``orphans.py``) while we run; what it does after the command's end is not measured.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from llenergymeasure.config.energy_choice import AUTO
from llenergymeasure.core.processes.orphans import OrphanReaper, adopt_orphans, adopts_orphans
from llenergymeasure.domain.brief import Brief, tell_joules
from llenergymeasure.domain.environment import LoadSample
from llenergymeasure.domain.metrics import EnergyMetrics
from llenergymeasure.domain.validity import Validity
from llenergymeasure.orchestration.metering.meter import EnergyMeter
from llenergymeasure.orchestration.metering.program import check_runnable, explain_failure

SIGNALLED = 128

_FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
# Signals of the terminal have the kernel as their sender; it sends them to the whole group.
_FROM_KERNEL = 0x80
_WAIT_S = 0.5


@dataclass(frozen=True, repr=False)
class MeasuredCommand(Brief):
    """What a command cost.

    Attributes:
        command: Its words.
        exit_code: Its exit code; 128 + n if signal n ended it.
        duration_s: From its start to its end.
        energy: As in an experiment's aggregate; nothing in it is per token.
        validity: The verdict on the energy.
        load: CPU use of the command (and of us, who wait for it), and of all other processes.
    """

    command: tuple[str, ...]
    exit_code: int
    duration_s: float
    energy: EnergyMetrics
    validity: Validity
    load: LoadSample | None = None

    def _brief(self) -> dict[str, str]:
        energy = self.energy
        return {
            "command": shorten(shlex.join(self.command), 60, placeholder=" ..."),
            "exit code": str(self.exit_code),
            "time": f"{self.duration_s:.3g} s",
            "energy": tell_joules(energy.total_j, energy.uncertainty_j, energy.origin),
            "verdict": self.validity.status.value,
        }

    def as_data(self) -> dict[str, Any]:
        """Plain data, as it is written to a file."""
        return {
            "command": list(self.command),
            "exit_code": self.exit_code,
            "duration_s": self.duration_s,
            "energy": self.energy.model_dump(mode="json"),
            "validity": self.validity.model_dump(mode="json"),
            "load": None if self.load is None else self.load.model_dump(mode="json"),
        }


def measure_command(
    command: Sequence[str],
    backend: str | Sequence[str] = AUTO,
    options: Mapping[str, Any] | None = None,
    *,
    gpus: Sequence[str] | None = None,
    interval_ms: float | None = None,
) -> MeasuredCommand:
    """Run ``command`` and measure it (arguments as those of ``EnergyMeter``).

    Raises:
        CommandCannotRunError: It is not there, or cannot be executed.
        UnknownBackendError, ConfigurationError: The energy backend or its options are wrong.
    """
    check_runnable(command[0])
    with _orphans_adopted(), _signals_held() as mask:
        meter = EnergyMeter(backend, options, gpus=gpus, interval_ms=interval_ms)
        try:
            meter.start()
            begin_ns = time.monotonic_ns()
            exit_code = _run(command, mask)
            duration_s = (time.monotonic_ns() - begin_ns) / 1e9
            meter.stop()
            return MeasuredCommand(
                tuple(command), exit_code, duration_s, meter.energy, meter.validity, meter.load
            )
        finally:
            meter.close()


@contextlib.contextmanager
def _orphans_adopted() -> Iterator[None]:
    """A daemon of the command comes back to us, so that its CPU time can be seen."""
    before = adopts_orphans()
    adopt_orphans()
    try:
        yield
    finally:
        adopt_orphans(adopt=before)


@contextlib.contextmanager
def _signals_held() -> Iterator[set[signal.Signals]]:
    """Block what is to be forwarded, in this thread and in all that it starts from now on.

    Only a signal that is waited for tells who sent it. Gives the mask from before.
    """
    held = {*_FORWARDED, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield {number for number in before if isinstance(number, signal.Signals)}
    finally:
        # What came in too late for the command must not end us with nothing written.
        while signal.sigtimedwait(held, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(command: Sequence[str], mask: set[signal.Signals]) -> int:
    own_group = not (_reads_a_terminal() or _is_in_foreground())
    group: dict[str, Any] = {"setpgroup": 0} if own_group else {}
    try:
        pid = os.posix_spawnp(
            command[0],
            list(command),
            os.environ,
            setsigmask=mask,
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGQUIT],
            **group,
        )
    except OSError as error:
        raise explain_failure(command[0], error) from error
    return _wait(pid, own_group=own_group)


def _reads_a_terminal() -> bool:
    try:
        return sys.stdin is not None and os.isatty(sys.stdin.fileno())
    except (OSError, ValueError):
        return False


def _is_in_foreground() -> bool:
    """Whether our group is the terminal's, whatever stdin is: ``echo x | lem measure -- less``.

    Any other group is stopped when it reads from the terminal, and is not by Ctrl-Z.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _wait(pid: int, *, own_group: bool) -> int:
    forwarded = False
    orphans = OrphanReaper(but=pid)
    while True:
        info = signal.sigtimedwait({*_FORWARDED, signal.SIGCHLD}, _WAIT_S)
        orphans.reap()
        # After Ctrl-Z and fg Python gives a struct that nobody filled.
        if info is not None and info.si_signo in _FORWARDED:
            forwarded = True
            _forward(pid, info, own_group=own_group)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            if forwarded and own_group and code < 0:
                _end_group(pid)
            return code if code >= 0 else SIGNALLED - code


def _end_group(pid: int) -> None:
    """End what a command that a signal ended has left behind.

    A shell makes what it starts with ``&`` deaf to Ctrl-C.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)


def _forward(pid: int, info: Any, *, own_group: bool) -> None:
    number = signal.Signals(info.si_signo)
    with contextlib.suppress(ProcessLookupError):
        if own_group:
            os.killpg(pid, number)
        elif info.si_code != _FROM_KERNEL:
            os.kill(pid, number)
