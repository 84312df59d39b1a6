"""The examples in docstrings do what they say, and what people extend has one."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import llenergymeasure
from llenergymeasure import protocols
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.core.energy_backends.conformance import run_energy_conformance
from llenergymeasure.core.inference_backends.conformance.suite import (
    conformance_config,
    run_conformance,
)

# What a plug-in's author writes a class or an object of.
EXTENDED = (
    "BackendOptions",
    "BackendSpec",
    "EnergyBackend",
    "EnergyBackendSpec",
    "InferenceBackend",
)
# What an example may use without importing it.
NAMES = {name: getattr(protocols, name) for name in protocols.__all__} | {"time": time}


def modules() -> list[str]:
    found = pkgutil.walk_packages(llenergymeasure.__path__, "llenergymeasure.")
    sources = {info.name: info for info in found if info.name != "llenergymeasure.__main__"}
    root = Path(llenergymeasure.__file__).parent
    files = {"llenergymeasure": root / "__init__.py"}
    for name, info in sources.items():
        path = root.joinpath(*name.split(".")[1:])
        files[name] = path / "__init__.py" if info.ispkg else path.with_suffix(".py")
    return [name for name, file in files.items() if ">>>" in file.read_text(encoding="utf-8")]


def examples(module: ModuleType) -> dict[str, doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = finder.find(module, extraglobs=NAMES)
    return {test.name: test for test in found if test.examples}


def run(test: doctest.DocTest) -> dict[str, Any]:
    """The names that the example leaves."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    told: list[str] = []
    outcome = runner.run(test, out=told.append, clear_globs=False)
    assert outcome.failed == 0, "".join(told)
    return dict(test.globs)


@pytest.mark.parametrize("name", modules())
def test_examples_do_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = examples(importlib.import_module(name))
    assert found
    for test in found.values():
        run(test)


@pytest.mark.parametrize("name", EXTENDED)
def test_what_people_extend_has_an_example(name: str) -> None:
    assert ">>>" in str(getattr(protocols, name).__doc__)


def example_of(contract: type) -> dict[str, Any]:
    module = importlib.import_module(contract.__module__)
    return run(examples(module)[f"{contract.__module__}.{contract.__name__}"])


def test_the_example_of_an_engine_keeps_to_its_contract() -> None:
    engine = example_of(protocols.InferenceBackend)["Zeros"]

    def make(overrides: Any) -> Any:
        config: ExperimentConfig = conformance_config("echo", overrides)
        return engine(config)

    failed = [result for result in run_conformance(make) if not result.passed]
    assert failed == []


def test_the_example_of_an_energy_source_keeps_to_its_contract() -> None:
    lamp = example_of(protocols.EnergyBackend)["Lamp"]
    results = run_energy_conformance(lambda: lamp(protocols.BackendOptions()), steady_power=True)
    assert [result for result in results if not result.passed] == []
