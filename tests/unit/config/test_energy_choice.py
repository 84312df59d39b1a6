from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llenergymeasure.config.energy_choice import describe_choice, names_of, tidy_choice
from llenergymeasure.config.loader import from_mapping, load
from llenergymeasure.config.models import ExperimentConfig
from llenergymeasure.config.problems.report import InvalidConfigError
from llenergymeasure.orchestration.context import config_hash

BASE = {"config_name": "a", "model_name": "m", "backend": "echo"}
FILE = "config_name: a\nmodel_name: m\nbackend: echo\n"
LIST = ("nvml", "codecarbon")


def energy(**values: Any) -> ExperimentConfig:
    return from_mapping({**BASE, "energy": values}).config


@pytest.mark.parametrize(
    "written",
    [LIST, list(LIST), "nvml,codecarbon", " nvml , codecarbon ", "[nvml, codecarbon]"],
    ids=str,
)
def test_every_way_to_write_a_list_is_one_config(written: object) -> None:
    assert energy(backend=written).energy.backend == LIST
    assert config_hash(energy(backend=written)) == config_hash(energy(backend=LIST))


@pytest.mark.parametrize("written", ["nvml", ["nvml"], "[nvml]"], ids=str)
def test_a_list_of_one_is_that_one(written: object) -> None:
    assert energy(backend=written).energy.backend == "nvml"


def test_file_environment_and_command_line_take_lists(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(FILE + "energy: {backend: [nvml, codecarbon], nvml: {interval_ms: 5}}\n")
    assert load(file).config.energy.backend == LIST
    file.write_text(FILE)
    variables = {"LEM_ENERGY__BACKEND": "nvml,codecarbon", "LEM_ENERGY__NVML__INTERVAL_MS": "5"}
    sets = ["energy.backend=nvml,codecarbon", "energy.nvml.interval_ms=5"]
    for loaded in (load(file, env=variables), load(file, sets=sets, env={})):
        assert loaded.config.energy.backend == LIST
        assert loaded.config.energy.options_of("nvml").model_dump()["interval_ms"] == 5


def test_a_list_survives_the_saved_context() -> None:
    config = energy(backend=list(LIST))
    again = from_mapping(json.loads(config.model_dump_json())).config
    assert again == config


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("backend: [nvml, rpl]", "c.yaml:4: energy.backend[1]: there is no energy backend 'rpl'"),
        ("backend: nvml,nvlm", "did you mean 'nvml'?"),
        ("backend: [nvml, auto]", "c.yaml:4: energy.backend: 'auto' stands alone"),
        ("backend: [none, nvml]", "c.yaml:4: energy.backend: 'none' stands alone"),
        ("backend: [replay, nvml]", "c.yaml:4: energy.backend: 'replay' stands alone"),
        ("backend: [nvml, nvml]", "c.yaml:4: energy.backend: 'nvml' stands in the list twice"),
        ("backend: []", "c.yaml:4: energy.backend: a name is empty"),
        ("backend: ''", "c.yaml:4: energy.backend: a name is empty"),
        ("backend: 'nvml,'", "c.yaml:4: energy.backend: a name is empty"),
        ("backend: 5", "c.yaml:4: energy.backend: found 5, must be an energy backend's name"),
        ("backend: [nvml, {}]", "c.yaml:4: energy.backend: found ['nvml', {}], must be"),
        (
            "codecarbon: {country_iso_code: DEU}",
            "c.yaml:4: energy.codecarbon: options of energy backend 'codecarbon', but this config "
            "uses 'auto (nvml, rapl, estimate)'; remove the section or set 'energy.backend: "
            "codecarbon'",
        ),
        (
            "backend: [nvml, codecarbon], replay: {}",
            "c.yaml:4: energy.replay: options of energy backend 'replay', but this config uses "
            "'nvml,codecarbon'; remove the section or set 'energy.backend: replay'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, line: str, expected: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"{FILE}energy: {{{line}}}\n")
    with pytest.raises(InvalidConfigError) as raised:
        load(file, env={})
    assert expected in str(raised.value)


def test_every_wrong_name_of_a_list_is_told_at_once() -> None:
    with pytest.raises(InvalidConfigError) as raised:
        energy(backend=["nope", "nvml", "never"])
    assert [problem.key for problem in raised.value.problems] == [
        "energy.backend[0]",
        "energy.backend[2]",
    ]


def test_an_unknown_name_does_not_make_the_sections_of_the_others_foreign() -> None:
    with pytest.raises(InvalidConfigError) as raised:
        energy(backend=["nvml", "nope"], nvml={"interval_ms": 5})
    assert [problem.code for problem in raised.value.problems] == ["unknown_backend"]


def test_auto_takes_the_options_of_each_source_that_it_may_choose() -> None:
    sections = {"nvml": {"interval_ms": 5}, "rapl": {}, "estimate": {"cpu_tdp_w": 90}}
    found = energy(**sections).energy
    assert found.backend == "auto"
    assert found.options_of("estimate").model_dump()["cpu_tdp_w"] == 90


@pytest.mark.parametrize("backend", ["nvml", "amdsmi"])
def test_gpus_are_named_by_text_or_index(backend: str) -> None:
    section = {backend: {"devices": [0, "1", "GPU-a"]}}
    found = energy(backend=backend, **section).energy.options_of(backend).model_dump()
    assert found["devices"] == ("0", "1", "GPU-a")
    with pytest.raises(InvalidConfigError, match=r"devices\[0\]: found true, must be text"):
        energy(backend=backend, **{backend: {"devices": [True]}})


@given(st.lists(st.sampled_from(["nvml", "rapl", "a-b", "x_1"]), min_size=1, unique=True))
def test_words_of_a_choice_read_back_as_the_choice(names: list[str]) -> None:
    assert names_of(describe_choice(names)) == tuple(names)
    assert tidy_choice(tidy_choice(names)) == tidy_choice(names)
