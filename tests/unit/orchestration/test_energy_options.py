from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.exceptions import ConfigurationError
from llenergymeasure.orchestration.energy_options import meter_options
from llenergymeasure.orchestration.factory import energy_specs


def options(
    choice: str, given: Mapping[str, Any] | None = None, **settings: Any
) -> dict[str, dict[str, Any]]:
    made = meter_options(choice, energy_specs(choice), given or {}, **settings)
    return {name: one.model_dump(exclude_unset=True) for name, one in made.items()}


def test_options_of_one_source_are_its_own() -> None:
    assert options("nvml", {"interval_ms": 5}) == {"nvml": {"interval_ms": 5}}


@pytest.mark.parametrize("choice", ["auto", "nvml,rapl,estimate"])
def test_options_of_several_stand_under_their_names(choice: str) -> None:
    made = options(choice, {"nvml": {"interval_ms": 5}, "estimate": {"cpu_tdp_w": 90}})
    assert made == {"nvml": {"interval_ms": 5}, "rapl": {}, "estimate": {"cpu_tdp_w": 90}}


@pytest.mark.parametrize(
    ("choice", "given", "words"),
    [
        ("auto", {"codecarbon": {}}, "codecarbon: not among the chosen sources"),
        ("auto", {"interval_ms": 5}, "options stand under their name: nvml, rapl, estimate"),
        ("nvml,rapl", {"rapl": 5}, "rapl: must be a mapping"),
        ("nvml,rapl", {"rapl": {"intrval_ms": 5}}, "options of rapl: intrval_ms: unknown key"),
        ("nvml", {"interval_ms": 0.5}, "options of nvml: interval_ms: found 0.5, must be at least"),
    ],
)
def test_wrong_options_are_told(choice: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfigError) as raised:
        options(choice, given)
    assert words in str(raised.value)


def test_gpus_go_to_every_source_that_takes_names() -> None:
    assert options("auto", gpus=["0", "GPU-a"]) == {
        "nvml": {"devices": ("0", "GPU-a")},
        "rapl": {},
        "estimate": {},
    }
    assert options("nvml,zeus", gpus=["1"]) == {"nvml": {"devices": ("1",)}, "zeus": {}}


def test_the_interval_goes_to_every_source_that_has_one() -> None:
    made = options("nvml,rapl,codecarbon", interval_ms=50.0)
    assert made == {
        "nvml": {"interval_ms": 50.0},
        "rapl": {"interval_ms": 50.0},
        "codecarbon": {},
    }


@pytest.mark.parametrize(
    ("choice", "settings", "words"),
    [
        ("rapl,estimate", {"gpus": ["0"]}, r"\(rapl, estimate\) can be told which GPUs"),
        ("zeus", {"gpus": ["0"]}, r"\(zeus\) can be told which GPUs"),
        ("codecarbon", {"interval_ms": 50.0}, r"\(codecarbon\) can be told an interval"),
        ("none", {"interval_ms": 50.0}, r"\(none\) can be told an interval"),
    ],
)
def test_a_setting_that_nobody_takes_is_refused(
    choice: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        options(choice, **settings)


@pytest.mark.parametrize(
    "settings", [{"gpus": ["0"]}, {"interval_ms": 5.0}], ids=["gpus", "interval"]
)
def test_a_setting_given_twice_is_refused(settings: Mapping[str, float | Sequence[str]]) -> None:
    given = {"devices": ["0"], "interval_ms": 5.0}
    with pytest.raises(ConfigurationError, match="of nvml is given twice"):
        options("nvml", given, **settings)


def test_a_source_s_own_bounds_hold_for_the_common_interval() -> None:
    with pytest.raises(InvalidConfigError, match=r"options of nvml: interval_ms: found 0\.5"):
        options("auto", interval_ms=0.5)
