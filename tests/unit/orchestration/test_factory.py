from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from llenergymeasure.config.loader import from_mapping
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.runtime_env import Rank, current_rank
from llenergymeasure.core.energy_backends.combined.backend import CompositeBackend
from llenergymeasure.core.energy_backends.combined.ownership import Leniency
from llenergymeasure.core.energy_backends.none import NoEnergyBackend
from llenergymeasure.core.energy_backends.nvml.backend import NvmlBackend
from llenergymeasure.core.energy_backends.rapl.backend import RaplBackend
from llenergymeasure.core.energy_backends.replay.backend import ReplayBackend
from llenergymeasure.core.inference_backends.echo import EchoBackend
from llenergymeasure.exceptions import BackendError, ConfigurationError, UnknownBackendError
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


@pytest.mark.parametrize(
    ("asked", "interval_s", "kept"),
    [
        ({}, 0.1, True),
        ({"enabled": True, "save": False}, 0.1, False),
        ({"enabled": False, "save": True}, None, False),
        ({"enabled": False, "save": False}, None, False),
        ({"save": False, "sample_interval_ms": 500}, 0.5, False),
    ],
)
def test_sampling_and_keeping_the_samples_are_two_things(
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, object],
    interval_s: float | None,
    kept: bool,
) -> None:
    told: list[float] = []
    monkeypatch.setattr(ReplayBackend, "sample_every", lambda _, every_s: told.append(every_s))
    chosen = config(energy={"backend": "replay", "replay": {"curve": {}}}, timeseries=asked)
    factory.create_energy_backend(chosen, FIRST)
    assert told == ([] if interval_s is None else [interval_s])
    assert chosen.timeseries.kept == kept


def test_none_is_no_source() -> None:
    made = factory.create_energy_backend(config(energy={"backend": "none"}), FIRST)
    assert isinstance(made, NoEnergyBackend)


def test_a_machine_is_read_by_the_first_process_of_each_host() -> None:
    asked = config(energy={"backend": "rapl"})
    readers = [Rank(index, 16, index % 8) for index in range(16)]
    made = [factory.create_energy_backend(asked, rank) for rank in readers]
    assert [i for i, one in enumerate(made) if isinstance(one, RaplBackend)] == [0, 8]
    assert all(isinstance(one, NoEnergyBackend) for i, one in enumerate(made) if i % 8)


def names(choice: str | tuple[str, ...]) -> list[str]:
    return [spec.name for spec in factory.energy_specs(choice)]


def test_auto_takes_what_is_installed_best_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names("auto") == ["nvml", "rapl", "estimate"]
    assert factory.energy_label("auto") == "nvml+rapl+estimate"
    monkeypatch.setattr(
        factory, "missing_requirements", lambda spec: [spec.name] if spec.name != "rapl" else []
    )
    assert names("auto") == ["rapl"]
    monkeypatch.setattr(factory, "missing_requirements", lambda spec: ["everything"])
    assert names("auto") == ["none"]


def test_a_list_keeps_its_order_and_is_one_source() -> None:
    asked = config(energy={"backend": ["estimate", "rapl"]})
    assert names(asked.energy.backend) == ["estimate", "rapl"]
    assert isinstance(factory.create_energy_backend(asked, FIRST), CompositeBackend)


def test_one_source_is_that_source_itself() -> None:
    asked = config(energy={"backend": ["rapl"]})
    assert isinstance(factory.create_energy_backend(asked, FIRST), RaplBackend)


def test_every_rank_reads_devices_and_only_the_first_the_machine() -> None:
    for choice in ("auto", ["nvml", "rapl"]):
        asked = config(energy={"backend": choice})
        assert isinstance(factory.create_energy_backend(asked, FIRST), CompositeBackend)
        assert isinstance(factory.create_energy_backend(asked, SECOND), NvmlBackend)
    machine = config(energy={"backend": ["rapl", "estimate"]})
    assert isinstance(factory.create_energy_backend(machine, SECOND), NoEnergyBackend)


def test_options_reach_the_sources_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    section = {"backend": ["rapl", "estimate"], "rapl": {"root": str(tmp_path / "tree")}}
    with closing(factory.create_energy_backend(config(energy=section), FIRST)) as source:
        source.prepare()
        source.start()
        (cpu, *_) = source.stop().domains
    assert [why.detail for why in cpu.instead_of] == [
        f"there is no RAPL counter under {tmp_path / 'tree'}"
    ]


@pytest.mark.parametrize(
    ("choice", "lenient"),
    [
        ("auto", (True, True)),
        (("rapl", "estimate"), (True, False)),
        (("nvml", "rapl"), (False, False)),
    ],
)
def test_what_a_source_may_be_passed_over_for(
    monkeypatch: pytest.MonkeyPatch, choice: str | tuple[str, ...], lenient: tuple[bool, bool]
) -> None:
    seen: list[Leniency] = []
    monkeypatch.setattr(factory, "CompositeBackend", lambda parts, leniency: seen.append(leniency))
    factory.create_energy_backend(config(energy={"backend": choice}), FIRST)
    assert [(one.unreadable, one.failed) for one in seen] == [lenient]


def test_names_that_do_not_go_together_are_refused() -> None:
    for choice, words in (("rapl,none", "stands alone"), ("", "empty"), (["rapl"] * 2, "twice")):
        with pytest.raises(ConfigurationError, match=words):
            factory.energy_specs(choice)
    with pytest.raises(UnknownBackendError, match="did you mean 'rapl'"):
        factory.energy_specs("estimate,rappl")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "missing_requirements", lambda spec: ["torch"])
    with pytest.raises(BackendError, match="needs torch, which is not installed"):
        factory.create_inference_backend(config())


def test_the_rank_is_read_from_the_environment() -> None:
    assert current_rank({}) == Rank(0, 1, 0)
    env = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert current_rank(env) == Rank(3, 4, 1)
    # Nothing tells of a second host, so only one process reads the machine.
    assert current_rank({"RANK": "3", "WORLD_SIZE": "4"}) == Rank(3, 4, 3)
    assert current_rank({"WORLD_SIZE": "4", "RANK": "0"}).reads_machine
    for wrong in ({"RANK": "x"}, {"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "-1"}):
        with pytest.raises(ConfigurationError):
            current_rank(wrong)
