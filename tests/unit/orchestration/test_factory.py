from __future__ import annotations

import pytest

from llenergymeasure.config.loader import from_mapping
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.runtime_env import Rank, current_rank
from llenergymeasure.core.energy_backends.none import NoEnergyBackend
from llenergymeasure.core.energy_backends.replay import ReplayBackend
from llenergymeasure.core.inference_backends.echo import EchoBackend
from llenergymeasure.exceptions import BackendError, ConfigurationError
from llenergymeasure.orchestration import factory

FIRST, SECOND = Rank(0, 2, 0), Rank(1, 2, 1)


def config(**values: object) -> ExperimentConfig:
    base = {"config_name": "a", "model_name": "m", "backend": "echo"}
    return from_mapping({**base, **values}).config


def replay(scope: str) -> ExperimentConfig:
    return config(energy={"backend": "replay", "replay": {"curve": {}, "scope": scope}})


def test_names_become_classes() -> None:
    assert isinstance(factory.create_inference_backend(config()), EchoBackend)
    assert isinstance(factory.create_energy_backend(replay("machine"), FIRST), ReplayBackend)


def test_none_is_no_source() -> None:
    made = factory.create_energy_backend(config(energy={"backend": "none"}), FIRST)
    assert isinstance(made, NoEnergyBackend)


def test_a_machine_is_read_on_rank_0_only() -> None:
    asked = config(energy={"backend": "codecarbon"})
    assert isinstance(factory.create_energy_backend(asked, SECOND), NoEnergyBackend)
    assert not isinstance(factory.create_energy_backend(asked, FIRST), NoEnergyBackend)


def test_auto_takes_the_best_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert factory.chosen_energy_spec(config()).auto_rank is not None
    monkeypatch.setattr(factory, "missing_requirements", lambda spec: ["codecarbon"])
    assert factory.chosen_energy_spec(config()).name == "none"


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "missing_requirements", lambda spec: ["torch"])
    with pytest.raises(BackendError, match="needs torch, which is not installed"):
        factory.create_inference_backend(config())


def test_the_rank_is_read_from_the_environment() -> None:
    assert current_rank({}) == Rank(0, 1, 0)
    env = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert current_rank(env) == Rank(3, 4, 1)
    for wrong in ({"RANK": "x"}, {"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "-1"}):
        with pytest.raises(ConfigurationError):
            current_rank(wrong)
