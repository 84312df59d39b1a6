"""The contract of an energy backend.

    energy = Backend(options)      # cheap
    energy.prepare()               # once, slow parts; runs in a thread while the model loads
    energy.start()                 # the window opens when it returns
    reading = energy.stop()        # the window closed when it was called
    energy.close()                 # idempotent

Windows do not nest; ``start``/``stop`` may repeat. A source that fails during a window does not
raise: its domains carry ``joules=None`` and a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from llenergymeasure.config.backend_spec import BackendOptions
from llenergymeasure.domain.energy import EnergyReading
from llenergymeasure.domain.samples import SampleSeries


class EnergyBackend(Protocol):
    """What the measured process asks of an energy source (life cycle at the module's head).

    Example:
        A lamp that draws 10 W, known to 2 %.

        >>> class Lamp:
        ...     def __init__(self, options):
        ...         self._timer = WindowTimer()
        ...
        ...     def prepare(self):
        ...         pass
        ...
        ...     def start(self):
        ...         self._timer.open()
        ...
        ...     def stop(self):
        ...         window = self._timer.close()
        ...         joules = 10.0 * window.duration_s
        ...         lamp = DomainReading(
        ...             name="lamp",
        ...             scope=EnergyScope.MACHINE,
        ...             method=EnergyMethod.ESTIMATED,
        ...             joules=joules,
        ...             uncertainty_j=0.02 * joules,
        ...             origin="10 W, by its label",
        ...             window=window,
        ...         )
        ...         return EnergyReading(
        ...             backend="lamp",
        ...             domains=(lamp,),
        ...             emissions_reason="a lamp does not know its grid",
        ...         )
        ...
        ...     def close(self):
        ...         self._timer.forget()
        >>> lamp = Lamp(BackendOptions())
        >>> lamp.prepare()
        >>> lamp.start()
        >>> (reading,) = lamp.stop().domains
        >>> round(reading.joules / reading.window.duration_s, 6)
        10.0
    """

    def prepare(self) -> None:
        """Set up the source.

        Raises:
            EnergyBackendError: It cannot work here.
        """
        ...

    def start(self) -> None:
        """Open a window."""
        ...

    def stop(self) -> EnergyReading:
        """Close the window and say what it held."""
        ...

    def close(self) -> None:
        """Release the source; forgets an open window."""
        ...


@runtime_checkable
class SamplingEnergyBackend(Protocol):
    """A source that also keeps samples. Optional: asked for with isinstance."""

    def samples(self) -> Sequence[SampleSeries]:
        """What was sampled during the last closed window; empty before one."""
        ...


@runtime_checkable
class AdjustableSampling(Protocol):
    """A sampling source that takes its samples as often as it is told. Optional."""

    def sample_every(self, interval_s: float) -> None:
        """Take samples about so often, in s, in the windows to come; called before prepare()."""
        ...


@runtime_checkable
class TemperatureSource(Protocol):
    """A source that can read temperatures between windows. Optional."""

    def temperatures_c(self) -> Mapping[str, float]:
        """Degrees Celsius now, by domain name; a device without a sensor is left out."""
        ...


class EnergyBackendFactory(Protocol):
    """How an energy backend's class is called."""

    def __call__(self, options: Any) -> EnergyBackend: ...


__all__ = [
    "AdjustableSampling",
    "BackendOptions",
    "EnergyBackend",
    "EnergyBackendFactory",
    "SamplingEnergyBackend",
    "TemperatureSource",
]
