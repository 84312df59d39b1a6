"""Reading the energy source once, to see what it gives on this machine."""

from __future__ import annotations

import threading
import time
from contextlib import closing

from llenergymeasure.config.models import config_model
from llenergymeasure.config.runtime_env import Rank
from llenergymeasure.domain.energy import EnergyMethod, EnergyReading
from llenergymeasure.exceptions import LLEnergyMeasureError
from llenergymeasure.orchestration.factory import chosen_energy_spec, create_energy_backend

ENERGY_TIMEOUT_S = 60.0
_WINDOW_S = 0.2

Outcome = tuple[str, str, str | None]


def try_energy_source(timeout_s: float = ENERGY_TIMEOUT_S) -> Outcome:
    """State, detail and hint of the source that ``energy.backend: auto`` chooses here."""
    config = config_model("pytorch").model_validate(
        {"config_name": "doctor", "model_name": "builtin:tiny-llama"}
    )
    name = chosen_energy_spec(config).name
    if name == "none":
        return "failed", "none is installed: joules would be null", "lem backends lists them"
    answers: list[Outcome] = []

    def read() -> None:
        try:
            with closing(create_energy_backend(config, Rank(0, 1, 0))) as source:
                source.prepare()
                source.start()
                time.sleep(_WINDOW_S)
                answers.append(judged(name, source.stop()))
        except LLEnergyMeasureError as error:
            answers.append(("failed", f"{name}: {error.message}", error.hint))
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything: that is the finding
            answers.append(("failed", f"{name}: {type(error).__name__}: {error}", None))

    thread = threading.Thread(target=read, name="lem-doctor-energy", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not answers:
        return "failed", f"{name} gave no reading within {timeout_s:.0f} s", None
    return answers[0]


def judged(name: str, reading: EnergyReading) -> Outcome:
    """What a reading says about its source."""
    words = [
        f"{d.name} {d.reason or 'gave nothing'}" if d.joules is None else f"{d.name} {d.method}"
        for d in reading.domains
        if d.expected or d.joules is not None
    ]
    detail = f"{name}: {', '.join(words) or 'no domain'}"
    numbers = [d for d in reading.domains if d.joules is not None]
    if not numbers:
        return "failed", detail, "joules would be null; choose another energy.backend"
    if all(d.method is EnergyMethod.ESTIMATED for d in numbers):
        return "warning", f"{detail} (nothing is measured here)", _how_to_measure()
    if any(d.joules is None for d in reading.domains if d.expected):
        return "warning", detail, "the total would be null"
    return "ok", detail, None


def _how_to_measure() -> str:
    return (
        "joules will be called estimated; a readable energy counter would measure them: "
        "an NVIDIA GPU, or read access to the energy_uj files in /sys/class/powercap"
    )
