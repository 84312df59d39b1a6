"""What a backend registers: light enough to be listed and validated without its engine.

A plug-in's entry point (group ``llenergymeasure.inference_backends`` or ``.energy_backends``)
names an object of one of these classes. Its module must not import the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict


class BackendOptions(BaseModel):
    """Base of a backend's own config section; unknown keys are refused.

    Example:
        >>> class ToyOptions(BackendOptions):
        ...     delay_s: float = 0.0
        >>> ToyOptions(delay_s=0.5)
        ToyOptions(delay_s=0.5)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True)
class Capabilities:
    """What an inference backend can do.

    Attributes:
        streaming: True if token times are observed.
        devices: Values of ``device`` that it can be asked for.
        load_formats: Values of ``load_format`` that it can be asked for.
        hugging_face_models: True if ``model_name`` is a folder, a hub id or ``builtin:NAME``,
            which is then checked before anything is started.
        unused_keys: Config keys, or sections, that have no effect with it; giving one is a warning.
    """

    streaming: bool = False
    devices: tuple[str, ...] = ("auto", "cpu")
    load_formats: tuple[str, ...] = ("auto",)
    hugging_face_models: bool = False
    unused_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComponentSpec:
    """Common to both kinds.

    Attributes:
        name: As in ``backend: NAME``; also the name of its config section.
        target: ``module:Class``, imported only when it is going to run.
        options: The model of its config section.
        requires: Importable modules that it needs.
        description: One line for ``lem backends``.
        install_hint: What to type when a requirement is missing: the packages themselves, in the
            range that was tested.
        optional: A plain installation does not have what it needs; that is no fault.
    """

    name: str
    target: str
    options: type[BackendOptions] = BackendOptions
    requires: tuple[str, ...] = ()
    description: str = ""
    install_hint: str = ""
    optional: bool = False


@dataclass(frozen=True)
class BackendSpec(ComponentSpec):
    """An inference backend. Its class is called with the validated ``ExperimentConfig``.

    Example:
        In ``lem_toy.py``, named as ``toy = "lem_toy:SPEC"`` by an entry point:

        >>> SPEC = BackendSpec("toy", "lem_toy:ToyBackend", description="Counts up.")
        >>> SPEC.capabilities.streaming
        False

    Attributes:
        preflight: ``module:function``, called with the config and the prompts before anything is
            started, also by ``--dry-run``: what a person should know of the run, a sentence each.
            It raises ``ConfigurationError`` where the run could not give a single answer. It has to
            be quick, so it imports no engine. Empty: there is nothing to say.
    """

    preflight: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)


@dataclass(frozen=True)
class EnergyBackendSpec(ComponentSpec):
    """An energy backend. Its class is called with its validated options.

    Example:
        >>> SPEC = EnergyBackendSpec("lamp", "lem_lamp:Lamp", kinds=("lamp",))
        >>> SPEC.auto_rank is None  # used where a config names it
        True

    Attributes:
        scope: Who runs it: every process for its devices, or one process of each host. Each domain
            says on its own what it covers (``EnergyScope``).
        kinds: What it reads (``gpu``, ``cpu``, ``ram``, ...): that is what is missing among several
            sources when this one cannot be set up.
        auto_rank: Place in the order of preference of ``energy.backend: auto``; None is not part
            of it.
        measures: False if its joules never come from this machine's sensors, so that an idle
            baseline of it would mean nothing.
    """

    scope: Literal["device", "machine"] = "machine"
    kinds: tuple[str, ...] = ()
    auto_rank: int | None = None
    measures: bool = True
