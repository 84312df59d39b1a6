"""Reading devices now and then within a window, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from llenergymeasure.core.energy_backends.device_track import DeviceTrack


class Sampler:
    """Reads devices in a thread until it is stopped.

    Args:
        tracks: Where the readings go.
        every_s: Time between two readings.
    """

    def __init__(self, tracks: Sequence[DeviceTrack], every_s: float) -> None:
        self._tracks = tracks
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lem-nvml", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a read that is under way is waited for."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            for track in self._tracks:
                track.observe()
