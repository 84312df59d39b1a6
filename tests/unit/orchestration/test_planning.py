from __future__ import annotations

from pathlib import Path

import pytest

from llenergymeasure.config.backend_spec import ComponentSpec
from llenergymeasure.config.loader import from_mapping
from llenergymeasure.exceptions import BackendError
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
    assert raised.value.hint == "pip install zeus"
