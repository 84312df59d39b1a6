"""Shared by all tests: no test touches the user's folders or a hub, and none depends on chance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

# Before any engine is imported, here and in every child.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

# A busy machine is slow at drawing too: neither a deadline nor "too slow" is a failure.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--examples",
        type=int,
        metavar="N",
        help="draw N new examples for each property test, instead of the same ones every time",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples before a test module is imported, whatever `CI` is set to."""
    examples = config.getoption("--examples")
    # What failed is kept in the working tree, and tried first next time.
    found = DirectoryBasedExampleDatabase(config.rootpath / ".hypothesis" / "examples")
    settings.register_profile("same", _PATIENT, derandomize=True, database=None)
    settings.register_profile(
        "new",
        _PATIENT,
        derandomize=False,
        database=found,
        max_examples=examples or 100,
        print_blob=True,
    )
    settings.load_profile("new" if examples else "same")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`--examples N` holds for tests that name a number of their own as well."""
    examples = config.getoption("--examples")
    if not examples:
        return
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("hypothesis"):
            _draw(item, examples)


def _draw(item: pytest.Function, examples: int) -> None:
    if hasattr(item.cls, "settings"):  # a state machine's test case
        item.cls.settings = settings(item.cls.settings, max_examples=examples)
    else:
        # Hypothesis has no public way to change the settings of a decorated test.
        attribute = "_hypothesis_internal_use_settings"
        function = getattr(item.obj, "__func__", item.obj)
        own = getattr(function, attribute)
        setattr(function, attribute, settings(own, max_examples=examples))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLM_ENERGY_RESULTS_DIR", str(tmp_path / "results"))
    monkeypatch.setenv("LLM_ENERGY_STATE_DIR", str(tmp_path / ".state"))
    yield
