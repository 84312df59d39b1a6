from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from llenergymeasure.config.introspection import get_backend_params, get_universal_params
from llenergymeasure.config.loader import from_mapping
from llenergymeasure.config.problems.not_offered import NOT_OFFERED, why_not_offered
from llenergymeasure.config.problems.report import InvalidConfigError


@pytest.mark.parametrize("key", NOT_OFFERED)
def test_a_key_without_effect_is_refused_with_its_reason(key: str) -> None:
    data: dict[str, Any] = {"config_name": "a", "model_name": "m"}
    target = data
    *parents, last = key.split(".")
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = 1
    with pytest.raises(InvalidConfigError) as caught:
        from_mapping(data)
    (problem,) = caught.value.problems
    assert (problem.key, problem.code) == (key, "not_offered")
    assert problem.message == NOT_OFFERED[key]


def test_no_key_is_both_offered_and_not() -> None:
    offered = {p.key for p in [*get_universal_params(), *get_backend_params("pytorch")]}
    assert not offered & set(NOT_OFFERED)


def test_a_key_below_one_that_is_not_offered_has_its_reason() -> None:
    assert why_not_offered("traffic_simulation.mode") == NOT_OFFERED["traffic_simulation"]
    assert why_not_offered("traffic") is None


ROOT = Path(__file__).resolve().parents[4]


SCRIPT = runpy.run_path(str(ROOT / "scripts" / "generate_docs.py"))


@pytest.mark.parametrize("key", SCRIPT["described_keys"]())
def test_every_key_of_the_described_system_has_its_fate(key: str) -> None:
    fate, _ = SCRIPT["fate_of"](key)
    assert fate in ("accepted", "renamed", "refused")
