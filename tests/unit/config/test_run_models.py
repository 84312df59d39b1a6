from __future__ import annotations

from typing import Any

import pytest

from llenergymeasure.config.loader import from_mapping
from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.config.run_models import BaselineConfig, WarmupConfig

BASE = {"config_name": "a", "model_name": "m"}


@pytest.mark.parametrize(
    ("given", "converging", "fixed"),
    [
        ({}, True, 50),
        ({"prompts": 4}, False, 4),
        ({"prompts": 0}, False, 0),
        ({"enabled": False}, False, 0),
        ({"enabled": False, "prompts": 4}, False, 0),
        ({"convergence_detection": False, "max_prompts": 7}, False, 7),
        ({"convergence_detection": False, "prompts": 3}, False, 3),
    ],
)
def test_how_the_warm_up_ends(given: dict[str, Any], converging: bool, fixed: int) -> None:
    warmup = WarmupConfig(**given)
    assert warmup.converging is converging
    if not converging:
        assert warmup.fixed_prompts == fixed


@pytest.mark.parametrize(
    ("section", "values", "told"),
    [
        ("warmup", {"max_prompts": 4}, "max_prompts (4) is below the 5 batches"),
        ("warmup", {"window_size": 12, "max_prompts": 10}, "below the 12 batches"),
        ("warmup", {"cv_threshold": 0.0}, "must be more than 0"),
        ("warmup", {"window_size": 2}, "must be at least 3"),
        ("warmup", {"max_prompts": 201}, "must be at most 200"),
        ("baseline", {"duration_s": 4}, "must be at least 5"),
        ("baseline", {"duration_s": 121}, "must be at most 120"),
        ("baseline", {"cache_ttl_s": 59}, "must be at least 60"),
        ("baseline", {"level": "warm"}, "allowed: bare, context, loaded"),
        ("baseline", {"required": True, "enabled": False}, "enabled is false"),
        ("baseline", {"sample_interval_ms": 100}, "energy.nvml.interval_ms"),
    ],
)
def test_what_cannot_be_is_refused(section: str, values: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        from_mapping({**BASE, section: values})
    assert told in str(caught.value)


def test_a_cap_below_the_window_is_fine_where_nobody_looks_at_times() -> None:
    assert WarmupConfig(max_prompts=3, convergence_detection=False).fixed_prompts == 3


def test_a_baseline_is_on_and_bare() -> None:
    assert (BaselineConfig().enabled, BaselineConfig().level) == (True, "bare")
