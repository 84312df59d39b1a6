"""A backend in a package of its own, really installed, with no change to our files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "plugins"
PIP_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both plug-ins; needs no network."""
    folder = tmp_path_factory.mktemp("site")
    # pip builds inside the source folder; a copy keeps ours clean.
    sources = [
        shutil.copytree(PLUGINS / name, tmp_path_factory.mktemp("source") / name)
        for name in ("toy", "broken")
    ]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *options, *map(str, sources)],
        check=True,
        capture_output=True,
        timeout=PIP_TIMEOUT_S,
    )
    return folder


Run = Callable[..., dict]


@pytest.fixture
def run(site: Path) -> Run:
    def run(code: str) -> dict:
        child = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert child.returncode == 0, child.stderr
        return json.loads(child.stdout)

    return run


def test_it_is_listed_with_its_distribution_and_nothing_is_imported_for_it(run: Run) -> None:
    said = run(
        """
import json, sys
from llenergymeasure.config.registry import list_registered
from llenergymeasure.constants import INFERENCE_BACKENDS_GROUP
entries = list_registered(INFERENCE_BACKENDS_GROUP)
toy = entries["toy"]
print(json.dumps({"names": list(entries), "distribution": toy.distribution,
    "version": toy.version, "description": toy.spec.description,
    "heavy": [m for m in ("torch", "transformers") if m in sys.modules]}))
"""
    )
    assert set(said["names"]) >= {"broken", "echo", "pytorch", "toy"}
    assert (said["distribution"], said["version"]) == ("lem-toy", "1.0")
    assert said["description"] == "Counts up."
    assert said["heavy"] == []


def test_its_section_is_validated(run: Run) -> None:
    said = run(
        """
import json
from pydantic import ValidationError
from llenergymeasure.config.models import config_model
model = config_model("toy")
base = {"config_name": "t", "model_name": "m", "backend": "toy"}
def problem(section):
    try:
        model.model_validate({**base, "toy": section})
    except ValidationError as error:
        return [list(e["loc"]) + [e["type"]] for e in error.errors()]
print(json.dumps({
    "default": model.model_validate(base).toy.delay_s,
    "given": model.model_validate({**base, "toy": {"delay_s": 0.5}}).toy.delay_s,
    "unknown": problem({"delay": 1.0}), "wrong": problem({"delay_s": "soon"})}))
"""
    )
    assert (said["default"], said["given"]) == (0.0, 0.5)
    assert said["unknown"] == [["toy", "delay", "extra_forbidden"]]
    assert said["wrong"] == [["toy", "delay_s", "float_type"]]


CONFORMANCE = """
import json
from llenergymeasure.core.inference_backends.conformance.suite import (
    conformance_config,
    run_conformance,
)
from {module} import {cls} as Backend
results = run_conformance(
    lambda overrides: Backend(conformance_config({name!r}, overrides, options={options!r})))
print(json.dumps({{r.name: r.detail for r in results if not r.passed}}))
"""


def test_the_toy_conforms(run: Run) -> None:
    code = CONFORMANCE.format(module="lem_toy", cls="ToyBackend", name="toy", options={})
    assert run(code) == {}


@pytest.mark.parametrize(
    "fault",
    [
        "one_trace_per_request",
        "request_ids_are_kept",
        "times_are_ordered",
        "times_lie_within_the_call",
        "max_output_tokens_is_kept",
        "nothing_after_end_of_sequence",
        "padding_is_not_counted",
        "truncation_is_reported",
        "token_times_match_tokens",
        "close_is_idempotent",
    ],
)
def test_the_broken_one_fails_in_ten_named_ways(run: Run, fault: str) -> None:
    """All 26 faults, faster and without pip: unit/core/inference_backends/test_conformance.py."""
    code = CONFORMANCE.format(
        module="lem_broken", cls="BrokenBackend", name="broken", options={"fault": fault}
    )
    assert list(run(code)) == [fault]


def test_the_toy_stays_small() -> None:
    lines = (PLUGINS / "toy/src/lem_toy.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.startswith(("import", "from"))]
    assert len(code) <= 40
