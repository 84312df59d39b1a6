"""Reading devices now and then within a window, in one thread.

Power and energy, the GPU's state, and what is set and running each have an interval of their own;
what is due at the same time is read in one go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from llenergymeasure.core.energy_backends.gpu.telemetry import Telemetry
from llenergymeasure.core.energy_backends.gpu.track import DeviceTrack

# Settings and processes cost the driver most, and change seldom.
AROUND_S = 1.0

# A driver that hangs must not hang its caller for ever; the thread dies with the process.
_JOIN_S = 10.0


class Sampler:
    """Reads devices in a thread until it is stopped; their state at once, then in rhythm.

    Args:
        tracks: Where power and energy go.
        every_s: Time between two readings of them.
        telemetry: Where the devices' state goes.
        state_every_s: Time between two readings of that.
    """

    def __init__(
        self,
        tracks: Sequence[DeviceTrack],
        every_s: float,
        telemetry: Sequence[Telemetry] = (),
        state_every_s: float = 0.1,
    ) -> None:
        self._tracks = tracks
        self._telemetry = telemetry
        self._every_ns = int(every_s * 1e9)
        self._state_every_ns = int(state_every_s * 1e9)
        self._finished = False
        # Held until the end: waiting for a lock costs half of what waiting for an event does.
        self._end = threading.Lock()
        self._end.acquire()
        self._thread = threading.Thread(target=self._run, name="lem-nvml", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Begin no further reading."""
        if not self._finished:
            self._finished = True
            self._end.release()

    def stop(self) -> None:
        """End the thread; a read that is under way is waited for."""
        self.finish()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        now_ns = time.monotonic_ns()
        duties = [_Duty(self._observe, self._every_ns, now_ns + self._every_ns)]
        if self._telemetry:
            around_ns = max(int(AROUND_S * 1e9), self._state_every_ns)
            duties += [
                _Duty(self._look, self._state_every_ns, now_ns),
                _Duty(self._look_around, around_ns, now_ns),
            ]
        pause_s = 0.0
        while not self._end.acquire(timeout=pause_s):
            now_ns = time.monotonic_ns()
            next_ns = min(duty.do_if_due(now_ns) for duty in duties)
            pause_s = max(next_ns - time.monotonic_ns(), 0) / 1e9

    def _observe(self) -> None:
        for track in self._tracks:
            track.observe()

    def _look(self) -> None:
        for telemetry in self._telemetry:
            telemetry.look()

    def _look_around(self) -> None:
        for telemetry in self._telemetry:
            telemetry.look_around()


class _Duty:
    """Something that is to be done in a rhythm; what was missed is not made up for."""

    def __init__(self, do: Callable[[], None], every_ns: int, due_ns: int) -> None:
        self._do = do
        self._every_ns = every_ns
        self._due_ns = due_ns

    def do_if_due(self, now_ns: int) -> int:
        """Do it if it is time; returns when it is due next."""
        if now_ns >= self._due_ns:
            self._do()
            self._due_ns += self._every_ns * (1 + (now_ns - self._due_ns) // self._every_ns)
        return self._due_ns
