"""When the idle baseline is taken: before the device is touched, with its context, or loaded.

bare       | idle | load ............ | warm-up
context    | prepare device | idle | load | warm-up
loaded     | load ............ | idle | warm-up
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.core.idle.cache import BaselineCache
from llenergymeasure.core.idle.meter import IdleMeter
from llenergymeasure.core.inference_backends.protocols import DevicePreparing, InferenceBackend
from llenergymeasure.domain.baseline import BaselineLevel, BaselineMethod, DomainBaseline
from llenergymeasure.domain.model_info import ModelInfo
from llenergymeasure.exceptions import EnergyBackendError
from llenergymeasure.orchestration.events import EventWriter
from llenergymeasure.orchestration.factory import energy_specs
from llenergymeasure.orchestration.measuring.priming import EnergyPriming

_PHASE = "idle baseline"


class IdleBaseline:
    """The idle baseline of one run.

    Args:
        config: Of the experiment.
        priming: The energy source, which may still be getting ready.
        backend: The engine, not loaded yet.
        events: Where progress is told.
        parent_pid: The watching process.
        reads_machine: False in a process whose machine another one reads.
        sleep: Waits so many seconds; a virtual one in tests.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        priming: EnergyPriming,
        backend: InferenceBackend,
        events: EventWriter,
        *,
        parent_pid: int | None,
        reads_machine: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._config = config
        self._options = config.baseline
        self._level = BaselineLevel(config.baseline.level)
        self._priming = priming
        self._backend = backend
        self._events = events
        self._parent_pid = parent_pid
        self._reads_machine = reads_machine
        self._sleep = sleep
        self._meter: IdleMeter | None = None
        self._found: tuple[DomainBaseline, ...] | None = None

    def before_load(self) -> None:
        """Take it, if its level comes before the model; else see at least whether it can be had.

        Raises:
            EnergyBackendError: It is required and cannot be had.
        """
        if not self._options.enabled:
            self._found = ()
        elif not any(spec.measures for spec in energy_specs(self._config.energy.backend)):
            self._settle(())
        elif self._level is not BaselineLevel.LOADED:
            self._settle(self._take_before_load())
        elif self._options.required and not self._ready_meter().measurable():
            self._settle(self._ready_meter().without_measuring())

    def after_load(self, model: ModelInfo) -> tuple[DomainBaseline, ...]:
        """The baseline of each domain; taken now if its level is ``loaded``.

        Raises:
            EnergyBackendError: It is required and cannot be had.
        """
        if self._found is None:
            meter = self._ready_meter()
            self._settle(self._take(meter, _identity(model)))
        assert self._found is not None, "settled above"
        return self._found

    def _take_before_load(self) -> tuple[DomainBaseline, ...]:
        meter = self._ready_meter()
        if self._level is BaselineLevel.CONTEXT and meter.measurable():
            if not isinstance(self._backend, DevicePreparing):
                return meter.without_measuring(
                    f"engine {self._config.backend!r} cannot prepare its device without a model; "
                    "set baseline.level to bare or loaded"
                )
            self._events.phase("preparing the device")
            self._backend.prepare_device()
        return self._take(meter, None)

    def _take(self, meter: IdleMeter, model: str | None) -> tuple[DomainBaseline, ...]:
        if not meter.measurable():
            return meter.without_measuring()
        # What else gets ready in the meantime must not be in an idle power.
        self._priming.ready()
        self._events.phase(_PHASE)
        return meter.take(model, self._announce)

    def _announce(self) -> None:
        self._events.notice(
            f"measuring idle power for {self._options.duration_s:g} s, to be used again for "
            f"{self._options.cache_ttl_s / 60:g} min ('baseline.enabled: false' leaves it out)"
        )

    def _ready_meter(self) -> IdleMeter:
        if self._meter is None:
            self._meter = IdleMeter(
                self._priming.prepared(),
                self._options,
                engine=self._config.backend,
                cache=BaselineCache(),
                parent_pid=self._parent_pid,
                sleep=self._sleep,
            )
        return self._meter

    def _settle(self, found: tuple[DomainBaseline, ...]) -> None:
        self._found = found
        if self._options.required and (found or self._reads_machine):
            _require(found)


def _require(found: Sequence[DomainBaseline]) -> None:
    lacking = [b for b in found if b.method is BaselineMethod.UNAVAILABLE]
    if any(b.power_w is not None for b in found) and not lacking:
        return
    words = [f"{b.name}: {b.reason}" for b in lacking or found] or ["no joules are measured here"]
    raise EnergyBackendError(
        f"baseline.required is set, and there is no idle baseline ({'; '.join(words)})",
        hint="see with 'lem doctor' what can be measured here, or leave baseline.required out",
    )


def _identity(model: ModelInfo) -> str:
    """What tells two loaded models apart, as far as their idle power may differ."""
    who = {"name", "path", "revision", "dtype", "device", "engine_version", "details"}
    return json.dumps(model.model_dump(include=who), sort_keys=True)
