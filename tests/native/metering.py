"""Energy meters in a process of their own, whose GPUs are a stand-in's: readings and truths."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llenergymeasure.domain.energy import DomainReading, EnergyReading
from llenergymeasure.domain.samples import SampleSeries
from llenergymeasure.domain.validity import Reason

# "body" is given the meters by name, and starts and stops them. The truth is asked afterwards, of a
# library that is still configured as it was: a meter that is open keeps it so.
_SCRIPT = """
import codecs, ctypes, json, os, sys, time
from llenergymeasure import EnergyMeter

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    library = ctypes.CDLL(asked["library"])
    if asked["user"] is not None:
        # Another user may not read this Python's files: what is needed is imported before.
        import llenergymeasure.core.energy_backends.combined.backend
        import llenergymeasure.core.energy_backends.estimate.backend
        import llenergymeasure.core.energy_backends.nvml.backend
        import llenergymeasure.core.energy_backends.rapl.backend
        from llenergymeasure.orchestration.factory import energy_specs
        energy_specs("auto")
        import pynvml
        codecs.lookup("ascii")
        os.setuid(asked["user"])
    meters = {name: EnergyMeter(**how) for name, how in asked["meters"].items()}

    def change(gpu, key, value):
        library.stand_in_set(gpu, key.encode(), value.encode())

    exec(asked["body"], {"time": time, "change": change, **meters})
    library.stand_in_energy_j.restype = ctypes.c_double
    library.stand_in_energy_j.argtypes = [ctypes.c_uint, ctypes.c_double, ctypes.c_double]

    def truth_j(domain):
        window, (kind, _, index) = domain.window, domain.name.partition(":")
        if kind != "gpu" or not index or window is None:
            return None
        ends = window.start_monotonic_ns / 1e9, window.end_monotonic_ns / 1e9
        return library.stand_in_energy_j(int(index), *ends)

    told = {}
    for name, meter in meters.items():
        told[name] = {
            "reading": meter.reading.model_dump_json(),
            "truths_j": {domain.name: truth_j(domain) for domain in meter.reading.domains},
            "reasons": [reason.model_dump(mode="json") for reason in meter.reasons],
            "samples": [
                [one.device, one.quantity, list(one.times_ns), list(one.values)]
                for one in meter.samples
            ],
        }
    for meter in meters.values():
        meter.close()
    print(json.dumps(told))
"""


@dataclass(frozen=True)
class Metered:
    """What one meter told of its last window."""

    reading: EnergyReading
    truths_j: Mapping[str, float | None]
    reasons: Sequence[Reason]
    samples: Sequence[SampleSeries]

    @property
    def domains(self) -> dict[str, DomainReading]:
        return {domain.name: domain for domain in self.reading.domains}


def off_j(domain: DomainReading, truth_j: float | None) -> float:
    """By how much the truth lies outside of the interval, the sensor's gain left out; in J.

    How wide the interval is, is for the virtual clock to test: a busy machine may widen it.
    """
    assert domain.joules is not None, domain.reason
    assert domain.uncertainty is not None
    assert truth_j is not None
    parts = domain.uncertainty
    return abs(domain.joules - truth_j) - (parts.edge_j or 0.0) - (parts.sampling_j or 0.0)


def metered(
    env: Mapping[str, str],
    meters: Mapping[str, Mapping[str, Any]],
    body: str,
    library: str = "libnvidia-ml.so.1",
    user: int | None = None,
) -> dict[str, Metered]:
    """Run ``body`` with meters of these names and arguments, as another user if one is given.

    In the body, ``change(gpu, key, value)`` sets something of the stand-in.
    """
    asked = json.dumps({"meters": meters, "body": body, "library": library, "user": user})
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, asked],
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        name: Metered(
            EnergyReading.model_validate_json(told["reading"]),
            told["truths_j"],
            [Reason.model_validate(reason) for reason in told["reasons"]],
            [SampleSeries(*one) for one in told["samples"]],
        )
        for name, told in json.loads(done.stdout.splitlines()[-1]).items()
    }


def one_window(env: Mapping[str, str], backend: str, seconds: float, **more: Any) -> Metered:
    """One window of one meter (``more`` as for ``metered``)."""
    body = f"m.start(); time.sleep({seconds}); m.stop()"
    return metered(env, {"m": {"backend": backend}}, body, **more)["m"]
