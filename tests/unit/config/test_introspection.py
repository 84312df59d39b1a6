from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from llenergymeasure.config.introspection import (
    get_backend_params,
    get_energy_params,
    get_streaming_constraints,
    get_universal_params,
    json_schema,
)
from llenergymeasure.config.loader import load_config
from llenergymeasure.config.registry import list_registered
from llenergymeasure.constants import ENERGY_BACKENDS_GROUP, INFERENCE_BACKENDS_GROUP

ROOT = Path(__file__).resolve().parents[3]


def all_parameters():
    yield from get_universal_params()
    for name in list_registered(INFERENCE_BACKENDS_GROUP):
        yield from get_backend_params(name)
    for name in list_registered(ENERGY_BACKENDS_GROUP):
        yield from get_energy_params(name)


@pytest.mark.parametrize("parameter", list(all_parameters()), ids=lambda p: p.key)
def test_every_parameter_is_explained(parameter) -> None:
    assert parameter.help.endswith(".")
    assert parameter.type in (
        "choice",
        "list",
        "mapping",
        "whole number",
        "number",
        "number or mapping",
        "text",
        "text or list",
        "true or false",
    )
    if parameter.key.endswith("_s"):
        assert parameter.unit in ("s", "W/s")


def test_universal_names_and_backend_sections_are_disjoint() -> None:
    universal = {p.key.split(".")[0] for p in get_universal_params()}
    for name in list_registered(INFERENCE_BACKENDS_GROUP):
        own = {p.key.removeprefix(f"{name}.").split(".")[0] for p in get_backend_params(name)}
        assert name not in universal
        assert not own & universal


def test_streaming_constraints_follow_the_capabilities() -> None:
    assert get_streaming_constraints("echo") == {}
    assert "streaming" in get_streaming_constraints("pytorch")


def test_the_schema_is_json_and_knows_the_section() -> None:
    schema = json.loads(json.dumps(json_schema("echo", "replay")))
    assert {"echo", "decoder", "_extends", "preset"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_derived_files_are_not_stale() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "generate_docs.py"))
    stale = [p for p, text in script["generated"]().items() if script["read"](p) != text]
    assert not stale, "run: python scripts/generate_docs.py"


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "examples").glob("*.yaml")), ids=str)
def test_every_example_is_valid(path: Path) -> None:
    assert load_config(path).config_name
