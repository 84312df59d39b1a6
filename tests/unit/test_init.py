"""The package's face: sorted, complete, and free of charge."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import llenergymeasure
from llenergymeasure import protocols

HEAVY = ("torch", "transformers", "pydantic", "rich", "pandas", "scipy", "numpy", "click")


@pytest.mark.parametrize("module", [llenergymeasure, protocols])
def test_all_is_sorted_and_every_name_is_there(module: object) -> None:
    names = list(module.__all__)
    assert names == sorted(names)
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(module, name) is not None
    assert set(names) <= set(dir(module))


@pytest.mark.parametrize("module", [llenergymeasure, protocols])
def test_an_unknown_name_is_an_attribute_error(module: object) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        module.nonsense  # noqa: B018


def test_names_are_those_of_their_homes() -> None:
    from llenergymeasure.config.backend_spec import BackendSpec
    from llenergymeasure.config.loader import load_config
    from llenergymeasure.domain.experiment import AggregatedResult

    assert llenergymeasure.AggregatedResult is AggregatedResult
    assert llenergymeasure.load_config is load_config
    assert protocols.BackendSpec is BackendSpec


def test_the_version_is_the_distribution_s() -> None:
    assert llenergymeasure.__version__ == importlib.metadata.version("llenergymeasure")


@pytest.mark.parametrize("module", ["llenergymeasure", "llenergymeasure.protocols"])
def test_importing_it_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    assert done.stdout.strip() == "[]", done.stderr
