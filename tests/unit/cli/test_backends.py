from __future__ import annotations

import json
from typing import Any

import pytest

from llenergymeasure import cli
from llenergymeasure.config.backend_spec import BackendSpec
from llenergymeasure.config.registry import BrokenEntry, Registered
from llenergymeasure.constants import INFERENCE_BACKENDS_GROUP
from llenergymeasure.orchestration import backends

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
    original = backends.registered

    def registered(group: str) -> dict[str, Any]:
        found = original(group)
        return {**found, **entries} if group == INFERENCE_BACKENDS_GROUP else found

    monkeypatch.setattr(backends, "registered", registered)


def test_what_can_run_is_listed(capsys: Captured) -> None:
    assert cli.main(["--json", "backends"]) == 0
    told = json.loads(capsys.readouterr().out)
    states = {entry["name"]: entry["state"] for kind in told.values() for entry in kind}
    assert {"echo", "pytorch", "codecarbon", "none", "replay"} <= set(states)
    assert states["echo"] == "available"


@pytest.mark.usefixtures("odd_plugins")
def test_what_is_missing_or_broken_says_why_and_what_to_do(capsys: Captured) -> None:
    assert cli.main(["backends"]) == 0
    text = capsys.readouterr().out
    assert "lacking is missing: not installed: surely_not_installed; pip install surely" in text
    assert "ruined is broken: ImportError: no a; repair or uninstall lem-ruined" in text


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
