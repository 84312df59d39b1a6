"""The suite passes our backends and the toy, and each of its checks can fail, alone."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.config import models, registry
from llenergymeasure.core.conformance import CheckResult
from llenergymeasure.core.inference_backends.conformance.checks import CHECKS
from llenergymeasure.core.inference_backends.conformance.suite import (
    check_names,
    conformance_config,
    run_conformance,
)
from llenergymeasure.core.inference_backends.echo import EchoBackend

PLUGINS = Path(__file__).parents[4] / "plugins"


def forget_what_is_registered() -> None:
    registry.list_registered.cache_clear()
    models._config_model.cache_clear()


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Registers a plug-in from its source folder: an entry point, without pip."""

    def load(name: str) -> Any:
        project = tomllib.loads((PLUGINS / name / "pyproject.toml").read_text())["project"]
        lines = [
            f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in entries.items())
            for group, entries in project["entry-points"].items()
        ]
        info = tmp_path / f"lem_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lem-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.syspath_prepend(str(PLUGINS / name / "src"))
        forget_what_is_registered()
        return importlib.import_module(f"lem_{name}")

    yield load
    forget_what_is_registered()


def failed(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if not result.passed}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 1},
        {"streaming": True},
        {"streaming": True, "output_tokens": [0, 3, 20], "per_token_s": 0.0005},
    ],
    ids=["plain", "batch-1", "streaming", "streaming-with-eos"],
)
def test_echo_conforms(options) -> None:
    results = run_conformance(
        lambda overrides: EchoBackend(conformance_config("echo", overrides, options=options))
    )
    assert failed(results) == {}
    assert [result.name for result in results] == check_names()


def test_toy_conforms(plugin) -> None:
    toy = plugin("toy")
    results = run_conformance(
        lambda overrides: toy.ToyBackend(conformance_config("toy", overrides))
    )
    assert failed(results) == {}


def broken_results(plugin, fault: str | None) -> list[CheckResult]:
    broken = plugin("broken")
    return run_conformance(
        lambda overrides: broken.BrokenBackend(
            conformance_config("broken", overrides, options={"fault": fault})
        )
    )


def test_broken_without_a_fault_conforms(plugin) -> None:
    assert failed(broken_results(plugin, None)) == {}


@pytest.mark.parametrize("fault", check_names())
def test_a_fault_fails_its_own_check_and_no_other(plugin, fault: str) -> None:
    found = failed(broken_results(plugin, fault))
    assert set(found) == {fault}
    assert ": " in found[fault], "the detail says the rule and what broke it"


def test_every_check_has_a_fault(plugin) -> None:
    assert list(plugin("broken").FAULTS) == check_names()


def test_a_backend_that_does_not_load_fails_every_check() -> None:
    results = run_conformance(
        lambda overrides: EchoBackend(
            conformance_config("echo", overrides, options={"fail_load": True})
        )
    )
    found = failed(results)
    assert set(found) == set(check_names()) - {"close_before_load"}
    assert all("echo fails to load, as scripted" in detail for detail in found.values())


@pytest.mark.parametrize("name", list(CHECKS))
def test_a_rule_is_one_sentence_for_people(name: str) -> None:
    rule = (CHECKS[name].__doc__ or "").splitlines()[0]
    assert rule.endswith(".") and len(rule) > 20
