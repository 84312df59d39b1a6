from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure import cli
from llenergymeasure.config.backend_spec import BackendSpec
from llenergymeasure.config.loader import load_config
from llenergymeasure.config.registry import BrokenEntry, Registered
from llenergymeasure.constants import INFERENCE_BACKENDS_GROUP
from llenergymeasure.orchestration.machine import backends

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def odd_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = BackendSpec(
        name="lacking",
        target="nowhere:Nothing",
        requires=("surely_not_installed",),
        install_hint="pip install surely",
    )
    entries: dict[str, Any] = {
        "lacking": Registered(lacking, "lem-lacking", "2.0"),
        "ruined": BrokenEntry("ruined", "a:b", "lem-ruined", "ImportError: no a"),
    }
    original = backends.list_registered

    def registered(group: str) -> dict[str, Any]:
        found = original(group)
        return {**found, **entries} if group == INFERENCE_BACKENDS_GROUP else found

    monkeypatch.setattr(backends, "list_registered", registered)


def test_what_can_run_is_listed(capsys: Captured) -> None:
    assert cli.main(["--json", "backends"]) == 0
    told = json.loads(capsys.readouterr().out)
    states = {entry["name"]: entry["state"] for kind in told.values() for entry in kind}
    assert {"echo", "pytorch", "codecarbon", "none", "replay"} <= set(states)
    assert states["echo"] == "installed"


def test_what_auto_takes_is_told_best_first(capsys: Captured) -> None:
    assert cli.main(["backends"]) == 0
    assert "the first of nvml, rapl, estimate that has it" in capsys.readouterr().out
    assert cli.main(["--json", "backends"]) == 0
    told = json.loads(capsys.readouterr().out)["energy"]
    assert {entry["name"] for entry in told if entry["automatic"]} == {"nvml", "rapl", "estimate"}


@pytest.mark.parametrize("together", ["auto", "rapl,estimate"])
def test_sources_pass_their_suite_together(capsys: Captured, together: str) -> None:
    assert cli.main(["--json", "backends", "--check", together]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["backend"], told["passed"]) == (together, True)
    assert {check["kind"] for check in told["checks"]} == {"energy"}


def test_sources_that_do_not_go_together_are_refused(capsys: Captured) -> None:
    assert cli.main(["backends", "--check", "rapl,none"]) == 2
    assert "'none' stands alone" in capsys.readouterr().err
    assert cli.main(["backends", "--check", "rapl,estmate"]) == 2
    assert "did you mean 'estimate'?" in capsys.readouterr().err


def test_options_for_a_check_come_from_the_config_s_list(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    tree = tmp_path / "nowhere"
    file.write_text(
        "config_name: a\nmodel_name: m\nbackend: echo\n"
        f"energy: {{backend: [rapl, estimate], rapl: {{root: {tree}}}}}\n"
    )
    config = load_config(file)
    chosen = backends._energy_config("rapl", config)
    assert chosen.energy.options_of("rapl").model_dump()["root"] == str(tree)
    assert chosen.energy.backend == "rapl"


@pytest.mark.usefixtures("odd_plugins")
def test_what_is_missing_or_broken_says_why_and_what_to_do(capsys: Captured) -> None:
    assert cli.main(["backends"]) == 0
    text = capsys.readouterr().out
    assert "lacking (missing): not installed: surely_not_installed; pip install surely" in text
    assert "ruined (broken): ImportError: no a; repair or uninstall lem-ruined" in text


def test_echo_passes_its_suite(capsys: Captured) -> None:
    assert cli.main(["--json", "backends", "--check", "echo"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is True
    assert len(told["checks"]) > 10


def test_a_failed_check_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    from llenergymeasure.core.inference_backends.echo import EchoBackend

    monkeypatch.setattr(EchoBackend, "synchronize", lambda self: 1 / 0)
    assert cli.main(["backends", "--check", "echo", "-q"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAILED  inference  synchronize_returns") for line in lines)
    assert all(line.startswith("FAILED") for line in lines)


def test_an_energy_source_takes_its_options_from_a_config(tmp_path: Any, capsys: Captured) -> None:
    assert cli.main(["backends", "--check", "replay"]) == 2
    assert "--config FILE" in capsys.readouterr().err
    energy = {"backend": "replay", "replay": {"curve": {"power_w": 10.0}}}
    data = {"config_name": "c", "model_name": "m", "backend": "echo", "energy": energy}
    (tmp_path / "c.json").write_text(json.dumps(data))
    assert cli.main(["backends", "--check", "replay", "--config", "c.json"]) == 0
    assert "checks passed" in capsys.readouterr().out


def test_an_unknown_backend_gets_the_nearest_name(capsys: Captured) -> None:
    assert cli.main(["backends", "--check", "ecko"]) == 2
    assert "did you mean 'echo'?" in capsys.readouterr().err
