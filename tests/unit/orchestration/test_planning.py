from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from llenergymeasure.cli.arguments.options import GlobalOptions
from llenergymeasure.cli.display.outcome import show_plan
from llenergymeasure.config.backend_configs import ECHO
from llenergymeasure.config.backend_spec import ComponentSpec
from llenergymeasure.config.loader import from_mapping
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.domain.prompt import Prompt
from llenergymeasure.exceptions import BackendError, ConfigurationError
from llenergymeasure.orchestration import planning
from llenergymeasure.orchestration.planning import RunOptions, RunPlan, plan


def planned(tmp_path: Path, choice: str) -> RunPlan:
    data = {"config_name": "a", "model_name": "m", "backend": "echo", "energy": {"backend": choice}}
    options = RunOptions(results_dir=tmp_path / "results", state_dir=tmp_path / "state")
    return plan(from_mapping(data), options)


@pytest.mark.parametrize(
    ("choice", "named"),
    [("auto", "nvml+rapl+estimate"), ("rapl,estimate", "rapl+estimate"), ("none", "none")],
)
def test_a_plan_names_the_sources_that_would_be_set_up(
    tmp_path: Path, choice: str, named: str
) -> None:
    assert planned(tmp_path, choice).energy_backend == named


def test_a_named_source_that_is_not_installed_is_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(spec: ComponentSpec) -> list[str]:
        return ["zeus"] if spec.name == "zeus" else []

    monkeypatch.setattr(planning, "missing_requirements", missing)
    with pytest.raises(BackendError, match="'zeus' needs zeus, which is not installed") as raised:
        planned(tmp_path, "nvml,zeus")
    assert raised.value.hint == "pip install 'zeus>=0.16,<0.17'"


class TestWhatTheEngineSays:
    """Before anything is started, by whatever function the engine's spec names."""

    @staticmethod
    def plan_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> RunPlan:
        spec = replace(ECHO, preflight=f"{__name__}:{function}")
        monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
        monkeypatch.setattr(
            "llenergymeasure.orchestration.factory.inference_backend", lambda _: spec
        )
        return planned(tmp_path, "none")

    def test_it_is_in_the_plan(self, tmp_path: Path, monkeypatch, capsys) -> None:
        plan = self.plan_with(tmp_path, monkeypatch, "say_something")
        assert plan.notes == (f"{plan.requests_per_cycle} prompts for m",)
        show_plan(plan, GlobalOptions())
        shown = capsys.readouterr().out
        assert "is fine" not in shown and f"note     {plan.notes[0]}" in shown

    def test_a_run_that_cannot_succeed_is_refused(self, tmp_path: Path, monkeypatch) -> None:
        with pytest.raises(ConfigurationError, match="no room"):
            self.plan_with(tmp_path, monkeypatch, "refuse")

    def test_an_engine_may_have_nothing_to_say(self, tmp_path: Path) -> None:
        assert planned(tmp_path, "none").notes == ()


def say_something(config: ExperimentConfig, prompts: Sequence[Prompt]) -> list[str]:
    return [f"{len(prompts)} prompts for {config.model_name}"]


def refuse(config: ExperimentConfig, prompts: Sequence[Prompt]) -> list[str]:
    raise ConfigurationError("no room")
